"""CRC64NVME, the checksum that S3 keeps for whole objects, from the AWS Common Runtime (extra `crt`)."""

from awscrt import checksums  # pyright: ignore[reportMissingTypeStubs] - the package ships no types


def crc64nvme(body: bytes) -> int:
    """Return the checksum of `body`."""
    return checksums.crc64nvme(body)


def combine(crc: int, crc_of_next: int, bytes_of_next: int) -> int:
    """Return the checksum of a concatenation from those of its two halves; no byte is read again."""
    return checksums.combine_crc64nvme(crc, crc_of_next, bytes_of_next)
