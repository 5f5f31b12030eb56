"""Commands on batches and their files: submit, list, show, fetch, retry, cancel."""
