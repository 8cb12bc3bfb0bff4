"""Syntax highlighting of code blocks whose language is given.

Pygments tokenizes the code; its many token types are reduced to the few `CLASSES`, whose colors are in `markdown.css`.
Like all HTML of a message, the result still goes through `sanitizer`.

Languages are never guessed. Code stays plain if its language is not listed here, if it is too long or takes too long,
and if the lexer fails. Highlighting never changes the text.

Pygments is imported for the first block that needs it, and a lexer is created for the first block in its language (5 to
50 ms, once per process). Blocks of a streamed message are rendered in the event loop, so the cost of each is bounded.
"""

import re
from functools import cache
from html import escape
from itertools import groupby
from threading import Lock
from time import perf_counter
from typing import Any

from agentchat.markup.byte_cache import cached_up_to
from agentchat.markup.cpu_clock import cpu_seconds

MAX_CODE = 20_000  # characters of a block, which take 5 to 40 ms (Ruby: 80)
MAX_LINE = 1_000  # characters; some regular expressions are quadratic, or worse, in the length of a line …
MAX_GAP = 100  # characters; … or in the length of a run of whitespace
MAX_SECONDS = 0.2  # of CPU time of the thread, for a block

# The names that are written behind a fence, by lexer. Every lexer here was searched for regular expressions that
# hostile code can slow down: while one matches, no other thread runs and no time limit applies. Lexers of shells, C,
# PHP, Perl and Scala are missing because of expressions that take exponential time; those of http, rst and psql because
# they highlight parts of the code with whatever lexer it names.
_LANGUAGES_BY_LEXER = {
    "CMakeLexer": "cmake",
    "CSharpLexer": "csharp cs c#",
    "ClojureLexer": "clojure clj",
    "CssLexer": "css",
    "DartLexer": "dart",
    "DiffLexer": "diff patch udiff",
    "ElixirLexer": "elixir ex exs",
    "ErlangLexer": "erlang erl",
    "FSharpLexer": "fsharp f#",
    "GasLexer": "asm assembly gas",
    "GoLexer": "go golang",
    "GraphQLLexer": "graphql gql",
    "GroovyLexer": "groovy gradle",
    "HaskellLexer": "haskell hs",
    "HtmlLexer": "html xhtml vue svelte astro",
    "IniLexer": "ini cfg conf desktop systemd editorconfig",
    "JavaLexer": "java",
    "JavascriptLexer": "javascript js mjs cjs node",
    "Json5Lexer": "json5",
    "JsonLexer": "json jsonc jsonl ndjson geojson",
    "JsxLexer": "jsx",
    "JuliaLexer": "julia jl",
    "KotlinLexer": "kotlin kt kts",
    "LessCssLexer": "less",
    "LuaLexer": "lua",
    "MarkdownLexer": "markdown md",
    "MySqlLexer": "mysql mariadb",
    "NasmLexer": "nasm",
    "NginxConfLexer": "nginx",
    "NixLexer": "nix",
    "OcamlLexer": "ocaml ml",
    "PowerShellLexer": "powershell ps1 pwsh posh",
    "PropertiesLexer": "properties",
    "ProtoBufLexer": "protobuf proto",
    "PythonConsoleLexer": "pycon python-repl",
    "PythonLexer": "python py python3 py3 pyi bazel starlark",
    "PythonTracebackLexer": "pytb traceback",
    "RubyLexer": "ruby rb",
    "RustLexer": "rust rs",
    "SLexer": "r rscript",
    "SchemeLexer": "scheme racket",
    "ScssLexer": "scss",
    "SqlLexer": "sql postgresql postgres sqlite plpgsql tsql",
    "SwiftLexer": "swift",
    "TOMLLexer": "toml",
    "TerraformLexer": "terraform tf hcl",
    "TexLexer": "latex tex",
    "TsxLexer": "tsx",
    "TypeScriptLexer": "typescript ts",
    "VbNetLexer": "vbnet vb",
    "XmlLexer": "xml svg xsd xsl",
    "YamlLexer": "yaml yml",
    "ZigLexer": "zig",
}
_OPTIONS: dict[str, dict[str, Any]] = {"MarkdownLexer": {"handlecodeblocks": False}}  # else it uses any lexer
# Lexers that another one creates while it tokenizes.
_NESTED_LEXERS = {"HtmlLexer": ["JavascriptLexer", "CssLexer"]}
_GAP = re.compile(rf"\s{{{MAX_GAP + 1}}}")
_LEXER_BY_LANGUAGE = {name: lexer for lexer, names in _LANGUAGES_BY_LEXER.items() for name in names.split()}

# CSS classes by token type; the longest matching prefix of the type counts. "" is plain, like operators and most names.
_CLASS_BY_TOKEN_TYPE = {
    "Comment": "c",
    "Comment.Preproc": "k",
    "Comment.PreprocFile": "s",
    "Generic.Deleted": "gd",
    "Generic.Error": "gd",
    "Generic.Heading": "k",
    "Generic.Inserted": "gi",
    "Generic.Prompt": "c",
    "Generic.Subheading": "k",
    "Keyword": "k",
    "Keyword.Constant": "m",
    "Literal": "s",
    "Literal.Date": "m",
    "Literal.Number": "m",
    "Literal.String.Interpol": "",
    "Name.Attribute": "nt",
    "Name.Builtin": "nf",
    "Name.Builtin.Pseudo": "k",
    "Name.Class": "nf",
    "Name.Constant": "m",
    "Name.Decorator": "nf",
    "Name.Entity": "m",
    "Name.Exception": "nf",
    "Name.Function": "nf",
    "Name.Property": "nt",
    "Name.Tag": "nt",
    "Name.Variable": "nt",
    "Operator.Word": "k",
}
CLASSES = frozenset(filter(None, _CLASS_BY_TOKEN_TYPE.values()))
"""Pygments' short names of: comment, keyword, string, number, function, tag (key, variable), inserted, deleted."""


def can_highlight(code: str, language: str) -> bool:
    """Whether there is a lexer for the language, and the code is within its bounds. Takes microseconds."""
    return (
        language.lower() in _LEXER_BY_LANGUAGE
        and len(code) <= MAX_CODE
        and (len(code) <= MAX_LINE or max(map(len, code.split("\n"))) <= MAX_LINE)
        and not _GAP.search(code)
    )


@cached_up_to(8 * 1024 * 1024)  # a block is rendered when it is finished, and again with the whole message
def highlight(code: str, language: str) -> str:
    """The code as escaped HTML; "" if it stays plain. Call it only if `can_highlight`. Safe in any thread."""
    try:
        tokens = _tokens(code, _lexer(_LEXER_BY_LANGUAGE[language.lower()]))
    except Exception:  # a lexer may raise anything on hostile input, a RecursionError too
        return ""
    if "".join(value for _, value in tokens) != code:
        return ""
    pieces = []
    for name, run in groupby(tokens, key=lambda token: token[0]):
        text = escape("".join(value for _, value in run), quote=False)
        pieces.append(f'<span class="{name}">{text}</span>' if name else text)
    return "".join(pieces)


def _tokens(code: str, lexer: Any) -> list[tuple[str, str]]:
    """CSS classes and texts; an empty list once the time is up. The wall clock is read first, since it costs less."""
    deadline = cpu_seconds() + MAX_SECONDS
    next_check = perf_counter() + MAX_SECONDS
    tokens = []
    for _, token_type, value in lexer.get_tokens_unprocessed(code):
        tokens.append((_class_of(token_type), value))
        if perf_counter() > next_check:
            remaining = deadline - cpu_seconds()
            if remaining <= 0:
                return []
            next_check = perf_counter() + remaining
    return tokens


@cache  # there are about two hundred token types
def _class_of(token_type: tuple[str, ...]) -> str:
    for length in range(len(token_type), 0, -1):
        name = _CLASS_BY_TOKEN_TYPE.get(".".join(token_type[:length]))
        if name is not None:
            return name
    return ""


_lexers: dict[str, Any] = {}
_lexers_lock = Lock()


def _lexer(name: str) -> Any:
    """The lexer of this name. Its state while tokenizing belongs to each call, so threads may share it."""
    if name not in _lexers:
        with _lexers_lock:  # the first instance of a lexer compiles its tables, which is not thread-safe
            if name not in _lexers:
                _lexers[name] = _create_lexer(name)
    return _lexers[name]


def _create_lexer(name: str) -> Any:
    from pygments import lexers  # takes 10 ms, and many processes render no code

    for nested in _NESTED_LEXERS.get(name, ()):
        getattr(lexers, nested)()
    return getattr(lexers, name)(**_OPTIONS.get(name, {}))
