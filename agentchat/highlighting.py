"""Code in colours: a block of code whose language is named, as HTML that has a class on what is more than plain.

Pygments takes the code apart; its many kinds of tokens become the few classes of `CLASSES`, which have their
colours in `transcript.css`. What may reach a page is `rendering`'s affair, which cleans this as it cleans everything.

The language is never guessed. What cannot be coloured stays plain: a language that is not in the list, code that is too
long or takes too long, and whatever a lexer fails on. Colours never change the text.

Pygments is imported with the first block that needs it, and a language is made ready with the first block that is
written in it (5 to 50 ms, once in a process). Blocks of a message being written are rendered in the event loop, so what
one may cost counts.
"""

import re
from functools import cache, lru_cache
from html import escape
from itertools import groupby
from threading import Lock
from time import perf_counter, thread_time
from typing import Any

MAX_CODE = 20_000  # characters of a block; so many take 5 to 40 ms, and in Ruby 80
MAX_LINE = 1_000  # characters; some expressions take the square of a line's length, and more …
MAX_GAP = 100  # characters; … or of the length of a gap of spaces and line breaks
MAX_S = 0.2  # of the thread's time, for a block

# The words that people write behind a fence, by the lexer that they mean. Each lexer that is here was searched for
# expressions that hostile code could hold up: one that runs lets no other thread run, and no clock stops it. Those of
# shells, C, PHP, Perl and Scala have some that match the same text in two ways, and so n of it in 2^n. None gives a
# part of the code to whatever lexer the code names, as those of http, rst and psql do.
_LEXERS = {
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
_OPTIONS: dict[str, dict[str, Any]] = {"MarkdownLexer": {"handlecodeblocks": False}}  # it would take any lexer
# The lexers that others make amid the code.
_WITHIN = {"HtmlLexer": ["JavascriptLexer", "CssLexer"]}
_GAP = re.compile(rf"\s{{{MAX_GAP + 1}}}")
_LANGUAGES = {word: lexer for lexer, words in _LEXERS.items() for word in words.split()}

# What a kind of token is shown as, if no longer name of it is here. What is plain has "": operators, most names.
_KINDS = {
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
CLASSES = frozenset(filter(None, _KINDS.values()))
"""Pygments' short names: comment, keyword, string, number, function, tag (or key, or variable); inserted, deleted."""


def is_colourable(code: str, language: str) -> bool:
    """Whether it is worth trying, and safe. Costs next to nothing."""
    return (
        language.lower() in _LANGUAGES
        and len(code) <= MAX_CODE
        and (len(code) <= MAX_LINE or max(map(len, code.split("\n"))) <= MAX_LINE)
        and not _GAP.search(code)
    )


@lru_cache(maxsize=256)  # a block is rendered when it is complete, and once more with its message
def coloured(code: str, language: str) -> str:
    """The code as HTML, escaped but not clean; "" if it stays plain. For what `is_colourable`. Safe in any thread."""
    try:
        tokens = _tokens(code, _lexer(_LANGUAGES[language.lower()]))
    except Exception:  # of somebody else's lexer, on a text that may be anything; its RecursionError too
        return ""
    if "".join(value for _, value in tokens) != code:
        return ""
    pieces = []
    for name, run in groupby(tokens, key=lambda token: token[0]):
        text = escape("".join(value for _, value in run), quote=False)
        pieces.append(f'<span class="{name}">{text}</span>' if name else text)
    return "".join(pieces)


def _tokens(code: str, lexer: Any) -> list[tuple[str, str]]:
    """Classes and texts; none at all if the time is over, which the clock that costs little says first."""
    ends = thread_time() + MAX_S
    look_at = perf_counter() + MAX_S
    tokens = []
    for _, kind, value in lexer.get_tokens_unprocessed(code):
        tokens.append((_class_of(kind), value))
        if perf_counter() > look_at:
            left = ends - thread_time()
            if left <= 0:
                return []
            look_at = perf_counter() + left
    return tokens


@cache  # there are some two hundred kinds
def _class_of(kind: tuple[str, ...]) -> str:
    for length in range(len(kind), 0, -1):
        name = _KINDS.get(".".join(kind[:length]))
        if name is not None:
            return name
    return ""


_made: dict[str, Any] = {}
_making = Lock()


def _lexer(name: str) -> Any:
    """The lexer of this name. What it keeps while it works is its caller's, so threads may share it."""
    if name not in _made:
        with _making:  # a lexer's tables are put together with the first one, and two threads would mix them up
            if name not in _made:
                _made[name] = _make(name)
    return _made[name]


def _make(name: str) -> Any:
    from pygments import lexers  # 10 ms, and many a process renders no code

    for other in _WITHIN.get(name, ()):
        getattr(lexers, other)()
    return getattr(lexers, name)(**_OPTIONS.get(name, {}))
