import jq
import pytest

from exporter.config.jq_program import check_program, wrapped


@pytest.mark.parametrize(
    "program",
    [
        "",
        ".",
        "[$company, $org, $folder, $day]",
        'def twice: . * 2;\n.calls | twice # a comment with ) and "',
        '.import | .["include"]',
        "label $out | 1, break $out",
    ],
)
def test_programs_that_are_accepted(program: str) -> None:
    check_program(program)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (".a |", "is not a jq program: syntax error, unexpected end of file (line 1 of the program, column 4)"),
        (".a\n| rows", "is not a jq program: rows/0 is not defined (line 2 of the program, column 3)"),
        ("$orgs", "is not a jq program: $orgs is not defined (line 1 of the program, column 1)"),
        (
            "if . then 1",  # jq has two errors; the first one is shown
            "is not a jq program: syntax error, unexpected end of file (line 1 of the program, column 11)",
        ),
        (
            ".)] | [(.",  # which would be a program once it is wrapped
            "is not a jq program: syntax error, unexpected INVALID_CHARACTER (line 1 of the program, column 2)",
        ),
        ("def f: 1;", 'is not a jq program: Top-level program not given (try ".")'),
        (" ", 'is not a jq program: Top-level program not given (try ".")'),
        ('import "a" as a; .', "import, include and module are not available"),
        ('include "a"; .', "import, include and module are not available"),
        ("module {}; .", "import, include and module are not available"),
        (".\0", "contains a NUL or a lone surrogate"),
        ('"\udc00"', "contains a NUL or a lone surrogate"),
    ],
)
def test_programs_that_are_rejected(program: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole text is compared
        check_program(program)
    assert str(caught.value) == message


def test_a_wrapped_program_lists_its_first_two_results() -> None:
    text = '{"company":"Co","org":"Co-Org","folder":null,"day":null,"body":[1,2,3]}'
    assert jq.compile(wrapped(".[] | [$org, $folder, .] # ")).input_text(text).first() == [
        '["Co-Org",null,1]',
        '["Co-Org",null,2]',
    ]
