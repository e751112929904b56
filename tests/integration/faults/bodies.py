"""The rows of the fault matrix about the body of a response with status 200."""

from typing import Final

from exporter.simulator import Fault
from tests.integration.faults.row import CALLS, GOOD, MIB, Calls, Row

_DEEP: Final = 100_000


def _refused(name: str, body: bytes, reason: str, log: str) -> Row:
    return Row(name, Fault.answer(body), reason, log, limit_bytes=2 * MIB)


def _read(name: str, body: bytes, note: str, published: Calls) -> Row:
    return Row(name, Fault.answer(body), note=note, published=published)


BODIES: Final = (
    Row(
        "a proxy's HTML page, which shows the URL",
        Fault.html(),
        "not_json",
        "$: the body is an HTML or XML page, perhaps of a proxy or a login; check vspark.url",
    ),
    Row(
        "an error as JSON, which quotes the token",
        Fault.error_json(),
        "unrecognized",
        "$: expected a day record, found an object without a call count or agents; "
        "it says: Invalid token was provided: ***",
    ),
    _refused("an empty body", b"", "not_json", "$: the body is empty"),
    _read("an empty list", b"[]", "no calls (rule 9)", {("A",): 0.0}),
    Row("bytes that are no text", Fault.garbage(), "not_json", "$: the body is not UTF-8 at byte 0"),
    _refused("invalid UTF-8", b'{"A\xff":{"calls":7}}', "not_json", "$: the body is not UTF-8 at byte 3"),
    _refused("UTF-16", GOOD.decode().encode("utf-16"), "not_json", "$: the body is not UTF-8 at byte 0"),
    _read("a byte-order mark", b"\xef\xbb\xbf" + GOOD, "skipped (rule 10)", CALLS),
    _refused(
        "a lone surrogate",
        b'{"A\\ud800":{"calls":7}}',
        "not_json",
        "$: the body has a lone surrogate, which is not a character",
    ),
    _refused(
        "CSV",
        b"date,folder,calls\n20261123,A,7\n",
        "not_json",
        "$: the body looks like CSV, not JSON; check vspark.url",
    ),
    _refused(
        "plain text",
        b"Service is down",
        "not_json",
        "$: the body is plain text, not JSON; check vspark.url; it says: Service is down",
    ),
    _refused(
        "agents where the records of folders should be",
        b'{"A":{"00":{"calls":4},"01":{"calls":3}}}',
        "unrecognized",
        '$.A["00"]: ambiguous: several keys above this day record may be its folder',
    ),
    _refused("nothing but null", b'{"A":{"calls":null}}', "unrecognized", "$.A: expected day records, found only null"),
    _refused(
        "an error under keys of its own",
        b'{"status":"failed","data":{"detail":"no such org"}}',
        "unrecognized",
        "$.data: expected a day record, found an object without a call count or agents; it says: failed; no such org",
    ),
    _refused("JSON that is cut off", GOOD[:-3], "not_json", "$: Input data was truncated"),
    _refused("JSON, then more of it", GOOD + GOOD, "not_json", "$: JSON is malformed: trailing characters (byte 18)"),
    _refused(
        "a folder twice under one key",
        b'{"A":{"calls":7},"A":{"calls":3}}',
        "unrecognized",
        "$: a key of this object is duplicated, so its value is ambiguous",
    ),
    _refused(
        "a field twice",
        b'{"A":{"calls":7,"calls":3}}',
        "unrecognized",
        "$.A: a key of this object is duplicated, so its value is ambiguous",
    ),
    _refused(
        "an agent twice under one id",
        b'{"A":{"calls":7,"agents":{"7":{"calls":4},"7":{"calls":3}}}}',
        "unrecognized",
        "$.A.agents: a key of this object is duplicated, so its value is ambiguous",
    ),
    _refused(
        "17 levels around a record",
        b'{"x":' * 17 + GOOD + b"}" * 17,
        "unrecognized",
        f"${'.x' * 17}: nested more than 16 levels deep",
    ),
    _refused("100,000 levels", b"[" * _DEEP + b"]" * _DEEP, "unrecognized", "$: nested too deeply"),
    _refused(
        "100,000 levels within a record",
        b'{"A":{"calls":7,"x":%b}}' % (b"[" * _DEEP + b"]" * _DEEP),
        "unrecognized",
        "$: nested too deeply",
    ),
    _refused(
        "NaN, Infinity",
        b'{"A":{"calls":NaN}}',
        "not_json",
        "$: JSON is malformed: invalid character (byte 14)",
    ),
    _refused(
        "a negative count",
        b'{"A":{"calls":-1}}',
        "unrecognized",
        "$.A.calls: expected a number of calls, found a negative number",
    ),
    _read("a count of -0", b'{"A":{"calls":-0}}', "0", {("A",): 0.0}),
    _refused("1e400", b'{"A":{"calls":1e400}}', "unrecognized", "$.A: a number is out of range"),
    _refused(
        "2⁶³",
        b'{"A":{"calls":9223372036854775808}}',
        "unrecognized",
        "$.A.calls: expected a number of calls, found a number out of range",
    ),
    _refused(
        "a number of 100,000 digits",
        b'{"A":{"calls":%b}}' % (b"9" * 100_000),
        "unrecognized",
        "$.A: a number is out of range",
    ),
    _refused(
        "a duration of 1e308 seconds",
        b'{"A":{"calls":7,"duration":1e308}}',
        "unrecognized",
        "$.A.duration: expected a duration, found a number out of range",
    ),
    _read(
        "names that only look the same: composed and not, Latin and Cyrillic, with a zero-width space",
        '{"A":{"calls":15,"agents":{"é":1,"e\u0301":2,"A":3,"\u0410":4,"A\u200b":5}},"\u0410":{"calls":2}}'.encode(),
        "each has series of its own: names are compared by their bytes",
        {
            ("A",): 15.0,
            ("\u0410",): 2.0,
            ("A", "é"): 1.0,
            ("A", "e\u0301"): 2.0,
            ("A", "A"): 3.0,
            ("A", "\u0410"): 4.0,
            ("A", "A\u200b"): 5.0,
        },
    ),
    _read(
        "ids with quotes, backslashes, line ends, control characters",
        b'{"A":{"calls":4,"agents":{"\\"}":1,"\\\\n":1,"\\n\\r\\u0000\\u2028":1,"":1}}}',
        "escaped, so that the page stays one that can be read",
        {("A",): 4.0, ("A", '"}'): 1.0, ("A", "\\n"): 1.0, ("A", "\n\r\0\u2028"): 1.0, ("A", ""): 1.0},
    ),
)


def _many_agents() -> bytes:
    agents = b",".join(b'"a%07d":{"calls":1,"avgduration":"0:04:10"}' % number for number in range(1_000_000))
    return b'{"A":{"calls":1000000,"agents":{%b}}}' % agents


def _many_folders() -> bytes:
    return b"{%b}" % b",".join(b'"F%05d":{"calls":7}' % number for number in range(50_000))


SIZES: Final = (
    Row(
        "a million agents in one folder",
        large=_many_agents,
        note="read; beyond `agents.max_per_folder` they add up under `_other`",
        published={("A",): 1e6, ("A", "a0000999"): 1.0, ("A", "_other"): 999_000.0},
    ),
    Row("50,000 folders in one org", large=_many_folders, note="read", published={("F00000",): 7.0, ("F49999",): 7.0}),
    _refused(
        "200,001 folders in one org",
        b"[" + b"{}," * 200_000 + b"{}]",
        "unrecognized",
        "$: more than 200000 elements or fields in one list or object",
    ),
    _refused(
        "a folder's name of 1 MB",
        b'{"%b":{"calls":7}}' % (b"x" * 1_000_000),
        "unrecognized",
        "$[a key of 1000000 characters]: the folder name is longer than 1024 characters",
    ),
    _refused(
        "an agent's id of 1 MB",
        b'{"A":{"calls":7,"agents":{"%b":7}}}' % (b"x" * 1_000_000),
        "unrecognized",
        "$.A.agents: an agent id is longer than 1024 characters",
    ),
)
