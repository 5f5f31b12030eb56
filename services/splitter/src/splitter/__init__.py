"""The splitter: cuts input files into chunks of whole records, and sweeps for lost inputs and messages."""
