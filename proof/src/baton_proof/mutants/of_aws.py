"""Mutants of the AWS adapters."""

from typing import Final

from baton_proof.mutants.run import Mutant

_BATON: Final = "libs/baton/src/baton/"

MUTANTS: Final = (
    Mutant(
        "rows of the first answer are lost when keys stay unprocessed",
        _BATON + "aws/dynamodb/batch_calls.py",
        'found += answer.get("Responses", {}).get(self._table, [])',
        'found = [*answer.get("Responses", {}).get(self._table, [])]',
        "tests/contract/test_aws_answers.py::test_items_of_every_answer_are_found_though_some_keys_stayed_unprocessed",
    ),
    Mutant(
        "the sum of a shard is left out",
        _BATON + "aws/dynamodb/progress.py",
        "shards = range(SHARDS) if chunks",
        "shards = range(SHARDS - 1) if chunks",
        "tests/contract/test_busy_tally.py::test_two_hundred_workers_count_over_four_hundred_chunks_a_second",
    ),
    Mutant(
        "all ten messages are sent again for one",
        _BATON + "aws/queues.py",
        'entries = [entry for entry in entries if entry["Id"] in again]',
        "entries = entries if again else []",
        "tests/contract/test_aws_answers.py::test_only_messages_that_were_refused_are_sent_again",
    ),
    Mutant(
        "a link is said to live longer than its credentials",
        _BATON + "aws/s3/links.py",
        'min(credentials["Expiration"], signed_at + timedelta(seconds=life_seconds))',
        "signed_at + timedelta(seconds=_LIFE_SECONDS)",
        "tests/contract/test_aws_answers.py::test_a_link_lives_as_long_as_its_credentials_and_an_hour_at_most",
    ),
    Mutant(
        "a range is begun anew after a break",
        _BATON + "aws/s3/ranged.py",
        "answer = await self._get(offset, stop)",
        "answer = await self._get(start, stop)",
        "tests/contract/test_aws_object_calls.py::test_a_body_that_ends_too_early_without_an_error_is_read_on_from_there",
    ),
    Mutant(
        "any number of ranges is on its way",
        _BATON + "aws/s3/ranged.py",
        "    return min(2 + given // _GIVEN_FOR_ONE_MORE, RANGES_AHEAD)",
        "    return 2 + given // _GIVEN_FOR_ONE_MORE",
        "tests/contract/test_aws_object_calls.py::test_ranges_on_their_way_grow_by_one_for_eight_that_were_given_out_up_to_a_bound",
    ),
    Mutant(
        "a broken range passes for a whole one",
        _BATON + "aws/s3/ranged.py",
        "            if offset == stop:\n",
        "            if offset:\n",
        "tests/contract/test_aws_object_calls.py::test_a_body_that_ends_too_early_without_an_error_is_read_on_from_there",
    ),
    Mutant(
        "on AWS every version of a key is asked",
        _BATON + "aws/s3/objects.py",
        "        if self._stand_ins:\n            async for",
        "        if True:\n            async for",
        "tests/contract/test_aws_object_calls.py::test_on_aws_a_version_is_found_or_not_by_one_head_and_no_list",
    ),
    Mutant(
        "metadata names the version on AWS",
        _BATON + "aws/s3/objects.py",
        "return metadata.get(ORIGIN_VERSION_METADATA) if self._stand_ins else None",
        "return metadata.get(ORIGIN_VERSION_METADATA)",
        "tests/contract/test_aws_object_calls.py::test_metadata_names_a_version_only_where_a_stand_in_replicates",
    ),
    Mutant(
        "a plan that was never opened passes for a chunk recorded before",
        _BATON + "aws/dynamodb/progress.py",
        "if reasons[:1] == [_FAILED_CONDITION]:",
        "if _FAILED_CONDITION in reasons:",
        "tests/contract/test_aws_answers.py::test_why_a_transaction_was_refused_decides",
    ),
    Mutant(
        "an unreadable order hides all others",
        _BATON + "aws/dynamodb/journal.py",
        "            except Refused as error:\n                passed_over",
        "            except ZeroDivisionError as error:\n                passed_over",
        "tests/contract/test_aws_rows_of_other_versions.py",
    ),
)
