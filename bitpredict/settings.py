"""Every setting of the platform in one class, read from BITPREDICT_* variables and a `.env` file."""

from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bitpredict.errors import SettingsError
from bitpredict.market.coins import COINS_FILE
from bitpredict.market.symbols import parse_symbol
from bitpredict.market.time import utc
from bitpredict.secret_settings import ApiKey, faults
from bitpredict.store_settings import StoreAddress, s3_options

Market = Literal["sample", "archive", "binance", "coinbase", "simulated"]
SentimentName = Literal["linear", "finbert", "vader", "vader-plain", "textblob"]

SAMPLE_FOLDER = Path(__file__).resolve().parent.parent / "sample"
SAMPLE_START, SAMPLE_END = date(2023, 11, 1), date(2024, 1, 1)


class Settings(BaseSettings):
    """Defaults run everything on one machine, below `home`, with the sample of real candles.

    Attributes:
        home: folder of everything local; deleting it forgets everything.
        market: what feeds `binance_candles`: the shipped sample, Binance's archive, its archive and REST API
            for the newest days (`binance`), or the seeded simulator. `coinbase` feeds the live lane alone.
        archive_url: the archive's base, a folder or an HTTP address; by default the sample's folder or Binance's.
        start: first UTC day of an open market; the sample has a calendar of its own.
        coingecko_plan, coingecko_key: which address is asked, and the key that belongs to it; the free plan works
            without one.
        cryptocompare_url, cryptocompare_key: the second source of candles, asked where either is set; by default the
            public address.
        cross_source_deviation: by how much (0.005 is half a percent) the two sources' closes of a minute may differ
            before a check warns.
        feeds_file: the list of news feeds; by default the shipped one (`sources/feeds.csv`).
        feeds_allow_private: ask feeds at private and loopback addresses too, and through the environment's proxies.
        redis_url: the cache that processes share, `redis://:password@host:6379/0`; without one each has its own.
        cache_price_seconds, cache_price_keys, cache_news_…, cache_sentiment_…: how long a cached answer of that kind is
            given at most, and how many are kept.
        database_pool_size, database_pool_overflow: connections that each process keeps to a database server, and how
            many more it makes while all of these are in use.
        source_breaker: leave a host alone for a while after failures in a row (`sources/circuits.py`).
        x_token, x_queries: with a token what X finds for these searches (separated by semicolons) is collected.
        x_posts_per_month: how many posts may be read in a calendar month; X charges for each.
        dagster_database_url: a PostgreSQL for Dagster's runs, events and schedules; by default SQLite below home.
        event_log_url: the live lane's log: by default a SQLite file of its own; `postgresql://…`, `kafka://host:9092`.
        event_log_partitions: of each topic; as many predictors can share the work.
        buffer_messages, buffer_policy: what a collector holds while the log is away, and what happens when it is full.
        allowed_lateness_ms: how much a trade may be older than the newest of its symbol and still be used live.
        tick_window: trades in the window of ret_mean and ret_std.
        model_variant: what forecasts one minute ahead: the scaled ret_std, or the trained tick model.
        stream_min_messages, stream_max_age_seconds: when waiting messages are worth a run of Dagster's: so many, or the
            oldest is so old.
        stream_bite_messages: how many one tick of a sensor takes at most, as after a pause.
        raw_retention_days: how long it is kept what the sources answered, compressed, in `raw` below the lake's root.
        backup_url: where the database and the lake are saved every day: a folder, on another disk, or `s3://bucket/prefix`.
        backups_kept: how many of the newest backups stay there.
        sentiment_models: who is asked what a text says, in this order, until one finds something in it; those that are
            not there (nothing trained, nothing downloaded) are passed over.
        sentiment_labels: CSV file of the user's with columns `text` and `label` (-1, 0, 1 or negative, neutral,
            positive), from which the asset `sentiment_model` trains the classifier `linear`.
        finbert_folder: where FinBERT's network and tokens are; by default below home, where the command puts them.
        hub_url: where the command fetches FinBERT: the hub or a mirror of it.
        webserver_port, dashboard_port: where `bitpredict up` serves Dagster's web pages and the dashboard.
        collector_port, predictor_port: where these serve /healthz, /readyz and /metrics; replays take the ports after.
    """

    model_config = SettingsConfigDict(env_prefix="BITPREDICT_", env_file=".env", extra="ignore")

    home: Path = Path(".bitpredict")
    market: Market = "sample"
    symbols: Annotated[tuple[str, ...], NoDecode] = ("BTCUSDT", "ETHUSDT")
    start: date = date(2023, 1, 1)
    archive_url: str = ""
    binance_url: str = "https://api.binance.com"
    simulation_seed: int = 7
    coingecko_url: str = ""
    coingecko_plan: Literal["free", "pro"] = "free"
    coingecko_key: ApiKey = SecretStr("")
    cryptocompare_url: str = ""
    cryptocompare_key: ApiKey = SecretStr("")
    cross_source_deviation: float = Field(default=0.005, gt=0)
    feeds_file: Path | None = None
    feeds_allow_private: bool = False
    x_url: str = "https://api.x.com"
    x_token: ApiKey = SecretStr("")
    x_queries: Annotated[tuple[str, ...], NoDecode] = ("(bitcoin OR ethereum) lang:en -is:retweet",)
    x_posts_per_month: int = Field(default=10_000, ge=0)

    database_url: str = ""
    database_pool_size: int = Field(default=5, ge=1)
    database_pool_overflow: int = Field(default=10, ge=0)
    dagster_database_url: str = ""
    lake_url: StoreAddress = ""
    mlflow_uri: str = ""
    redis_url: str = ""
    cache_price_seconds: float = Field(default=300.0, gt=0)
    cache_price_keys: int = Field(default=1_000, ge=1)
    cache_news_seconds: float = Field(default=900.0, gt=0)
    cache_news_keys: int = Field(default=500, ge=1)
    cache_sentiment_seconds: float = Field(default=1_800.0, gt=0)
    cache_sentiment_keys: int = Field(default=200, ge=1)
    s3_endpoint_url: str = ""
    s3_region: str = "us-east-1"
    s3_access_key_id: SecretStr = SecretStr("")
    s3_secret_access_key: SecretStr = SecretStr("")
    vacuum_after_days: int = Field(default=30, ge=0)
    raw_retention_days: int = Field(default=90, ge=1)
    backup_url: StoreAddress = ""
    backups_kept: int = Field(default=7, ge=1)

    http_timeout_seconds: float = Field(default=20.0, gt=0)
    http_attempts: int = Field(default=5, ge=1)
    source_breaker: bool = True

    event_log_url: str = ""
    event_log_partitions: int = Field(default=2, ge=1, le=1000)
    trades_retention_hours: float = Field(default=1.0, gt=0)
    candles_retention_days: float = Field(default=7.0, gt=0)
    predictions_retention_days: float = Field(default=7.0, gt=0)
    kafka_compression: Literal["lz4", "zstd", "none"] = "lz4"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_ssl_cafile: str = ""
    buffer_messages: int = Field(default=100_000, ge=1)
    buffer_policy: Literal["block", "drop_oldest", "drop_newest"] = "block"
    allowed_lateness_ms: int = Field(default=0, ge=0, le=60_000)
    tick_window: int = Field(default=50, ge=3, le=10_000)
    model_variant: Literal["baseline", "ml"] = "baseline"
    stream_min_messages: int = Field(default=1000, ge=1)
    stream_max_age_seconds: float = Field(default=60.0, ge=0)
    stream_bite_messages: int = Field(default=50_000, ge=1)
    coinbase_url: str = "wss://advanced-trade-ws.coinbase.com"
    binance_stream_url: str = "wss://stream.binance.com:9443"

    sentiment_models: Annotated[tuple[SentimentName, ...], NoDecode] = ("linear", "finbert", "vader", "textblob")
    sentiment_labels: Path | None = None
    finbert_folder: Path | None = None
    hub_url: str = "https://huggingface.co"

    webserver_port: int = Field(default=3000, ge=1, le=65535)
    dashboard_port: int = Field(default=8501, ge=1, le=65535)
    collector_port: int = Field(default=9100, ge=1, le=65535)
    predictor_port: int = Field(default=9110, ge=1, le=65535)

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, home: Path) -> Path:
        return home.expanduser().resolve()

    @field_validator("symbols", mode="before")
    @classmethod
    def _split_symbols(cls, value: object) -> object:
        names = [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(names, (list, tuple)) or not names:
            raise ValueError("name at least one symbol, separated by commas, for example BTCUSDT,ETHUSDT")
        return tuple(dict.fromkeys(parse_symbol(str(name)) for name in names))

    @field_validator("x_queries", mode="before")
    @classmethod
    def _split_queries(cls, value: object) -> object:
        queries = [part.strip() for part in value.split(";") if part.strip()] if isinstance(value, str) else value
        if not isinstance(queries, (list, tuple)) or not queries or any(len(str(query)) > 200 for query in queries):
            raise ValueError("name at least one search, separated by semicolons, each of at most 200 characters")
        return tuple(dict.fromkeys(queries))

    @field_validator("sentiment_models", mode="before")
    @classmethod
    def _split_models(cls, value: object) -> object:
        names = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(names, (list, tuple)) or not names or len(set(names)) < len(names):
            raise ValueError("name at least one sentiment model and each once, for example linear,vader,textblob")
        return tuple(names)

    @cached_property
    def database(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.home / 'bitpredict.db'}"

    @cached_property
    def lake(self) -> str:
        """The lake's root: a folder or `s3://bucket/prefix`."""
        return self.lake_url or str(self.home / "lake")

    @cached_property
    def event_log(self) -> str:
        """The event log's URL."""
        return self.event_log_url or f"sqlite:///{self.home / 'events.db'}"

    @cached_property
    def mlflow(self) -> str:
        """MLflow's tracking URI."""
        return self.mlflow_uri or f"sqlite:///{self.home / 'mlflow.db'}"

    @cached_property
    def models(self) -> Path:
        """The model store's folder."""
        return self.home / "models"

    @property
    def finbert(self) -> Path:
        """The folder of FinBERT's network and tokens."""
        return self.finbert_folder or self.home / "sentiment" / "finbert"

    @property
    def linear_sentiment(self) -> Path:
        """The file of the trained sentiment classifier."""
        return self.home / "sentiment" / "linear.npz"

    @cached_property
    def archive(self) -> str:
        """The kline archive's base: a folder or an HTTP address."""
        if self.archive_url:
            return self.archive_url
        return str(SAMPLE_FOLDER) if self.market == "sample" else "https://data.binance.vision"

    @cached_property
    def coingecko(self) -> str:
        """CoinGecko's base address; a paid key works at another one than a free key."""
        if self.coingecko_url:
            return self.coingecko_url
        return "https://pro-api.coingecko.com" if self.coingecko_plan == "pro" else "https://api.coingecko.com"

    @property
    def cryptocompare(self) -> str:
        """CryptoCompare's base address; empty where it is not to be asked."""
        keyed = bool(self.cryptocompare_key.get_secret_value())
        return self.cryptocompare_url or ("https://min-api.cryptocompare.com" if keyed else "")

    @property
    def coins_file(self) -> Path:
        """The list of coins: the user's own below home once there is one, otherwise the shipped one."""
        return self.own_coins_file if self.own_coins_file.exists() else COINS_FILE

    @property
    def own_coins_file(self) -> Path:
        """Where `bitpredict coins` keeps the user's list."""
        return self.home / "coins.csv"

    @property
    def invented_quotes(self) -> bool:
        """Whether the quotes of many coins are the sample's: it has no others, unless an address is named."""
        return self.market == "sample" and not self.coingecko_url

    @property
    def invented_news(self) -> bool:
        """Whether the news are the sample's: it has no others, unless a list of feeds is named."""
        return self.market == "sample" and self.feeds_file is None

    @property
    def storage_options(self) -> dict[str, str]:
        """What Delta needs to reach an S3 lake; empty for a folder."""
        return self.options_for(self.lake)

    def options_for(self, url: str) -> dict[str, str]:
        """What is needed to reach `url` where it is on S3; empty for a folder."""
        if not url.startswith("s3://"):
            return {}
        return s3_options(self.s3_region, self.s3_endpoint_url, self.s3_access_key_id, self.s3_secret_access_key)

    @property
    def watches_the_world(self) -> bool:
        """Whether what others publish (quotes, news) is fetched on a schedule: not beside a market of the past or one
        that is made up."""
        return self.market not in ("sample", "simulated")

    def calendar(self) -> tuple[datetime, datetime | None]:
        """First instant of the market, and its end: None where time goes on."""
        if self.market == "sample":
            return utc(SAMPLE_START), utc(SAMPLE_END)
        return utc(self.start), None

    def collected_until(self, now: datetime | None = None) -> datetime:
        """The end of what can have been collected by `now`: the calendar's end, or the coming midnight."""
        end = self.calendar()[1]
        return end or utc((now or datetime.now(UTC)).date() + timedelta(days=1))


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a value is malformed; the message names the variable and what is wrong with it.
    """
    try:
        return Settings()
    except ValidationError as error:
        secret = frozenset(name for name, field in Settings.model_fields.items() if field.annotation is SecretStr)
        raise SettingsError(f"{faults(error, secret)} (set it in the environment or in .env)") from error
