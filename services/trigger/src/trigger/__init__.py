"""The trigger: admits each object that is created in S3. Every file enters here: an S3 event in, batches out."""
