"""A CSV file fetched once from the web, then read from the project's folder."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, cast

from msgspec import Meta

from pipeline.errors import SourceError
from pipeline.sources.columns import DeclaredColumns
from pipeline.sources.csv_file import read_head

_FOLDER = Path(".pipeline/data")
_TIMEOUT_S = 60
_RETRIES = 2


class DownloadSource(
    DeclaredColumns, frozen=True, kw_only=True, tag="download", tag_field="kind"
):
    """Raw rows in a CSV file on the web.

    Attributes
    ----------
    url : str
        Where the file is.
    file_name : str
        Its name in ``.pipeline/data``; ``.gz`` and ``.zst`` are not needed.
    sha256 : str, optional
        What the file must hash to, in hexadecimal; None takes what comes.
    """

    url: Annotated[str, Meta(pattern="^https?://")]
    file_name: Annotated[str, Meta(pattern=r"^[^/\\]+$")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None


def download_path(config: DownloadSource, root: Path) -> Path:
    """Name the file that `download` fetches."""
    return root / _FOLDER / config.file_name


def download(config: DownloadSource, root: Path, *, progress: bool = False) -> Path:
    """Fetch the file, unless it is there already.

    The file appears only when it is whole, has the right hash and looks like a CSV;
    beside it ``{file_name}.sha256`` keeps its hash and where it came from. A file that
    came from another address, or whose hash is no longer the wanted one, is fetched
    again; failed attempts are repeated twice.

    Parameters
    ----------
    config : DownloadSource
        What to fetch.
    root : Path
        The project's folder.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    Path
        ``root/.pipeline/data/{file_name}``.

    Raises
    ------
    SourceError
        If the file cannot be fetched, has another hash, or is no CSV.
    """
    file = download_path(config, root)
    origin = file.with_name(file.name + ".sha256")
    if file.is_file() and _came_from(origin, config):
        return file
    fetched = _fetch(config, file, progress=progress)
    try:
        read_head(fetched)
    except SourceError:
        fetched.unlink()
        raise
    with fetched.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    # The note goes first and comes last: without it, the file is fetched again.
    origin.unlink(missing_ok=True)
    fetched.replace(file)
    origin.write_text(f"{digest}  {config.url}\n")
    return file


def _came_from(origin: Path, config: DownloadSource) -> bool:
    """Tell whether the note beside a file fits the configuration."""
    if not origin.is_file():
        return False
    digest, _, url = origin.read_text().strip().partition("  ")
    return url == config.url and config.sha256 in (None, digest)


def _fetch(config: DownloadSource, file: Path, *, progress: bool) -> Path:
    """Download to a name of its own beside the file's."""
    # Imported late: it loads the whole of requests.
    import pooch  # pyright: ignore[reportMissingTypeStubs]

    pooch.get_logger().setLevel("ERROR")
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    known_hash = config.sha256 and f"sha256:{config.sha256}"
    shelf = pooch.create(  # pyright: ignore[reportUnknownMemberType]
        path=part.parent,
        base_url="",
        registry={part.name: known_hash},
        urls={part.name: config.url},
        retry_if_failed=_RETRIES,
    )
    loader = pooch.HTTPDownloader(progressbar=progress, timeout=_TIMEOUT_S)
    try:
        # Its own stubs call the downloader's arguments otherwise.
        shelf.fetch(part.name, downloader=cast("Any", loader))
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{config.url}: cannot be downloaded\n"
            f"found: {' '.join(str(error).split())}\n"
            f"expected: {config.sha256 or 'a CSV file'}\n"
            f"hint: check the address, the network and `sha256`, or put the file at"
            f" a path of your own and use `kind: csv`"
        ) from error
    return part
