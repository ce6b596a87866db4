//! The same databases on a PostgreSQL server.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use url::Url;

use super::FillError;
use crate::limits::SANDBOX_INSERT_ROWS;
use crate::outside::catalog::postgres;
use crate::sandbox::seed::{Images, World};

const EVENTASAURUS: &str = "
    CREATE TABLE countries (
        id bigint PRIMARY KEY,
        name varchar(255) NOT NULL,
        code char(2) NOT NULL UNIQUE,
        slug varchar(255) NOT NULL UNIQUE
    );
    CREATE TABLE cities (
        id bigint PRIMARY KEY,
        name varchar(255) NOT NULL,
        slug varchar(255) NOT NULL,
        country_id bigint NOT NULL REFERENCES countries (id),
        UNIQUE (country_id, slug)
    );
    CREATE TABLE venues (
        id bigint PRIMARY KEY,
        slug varchar(255),
        name varchar(255),
        city_id bigint REFERENCES cities (id),
        venue_images jsonb DEFAULT '[]',
        address varchar(255),
        inserted_at timestamp(0) NOT NULL,
        updated_at timestamp(0) NOT NULL
    );
    CREATE INDEX venues_city_id ON venues (city_id);
";

const TRIVIA_ADVISOR: &str = "
    CREATE TABLE venues (
        id bigint PRIMARY KEY,
        slug text NOT NULL,
        name text NOT NULL,
        google_place_images jsonb
    );
";

/// Where the databases are. The URLs are those that were given, password included: not for printing.
#[derive(Clone)]
pub struct PostgresUrls {
    /// Eventasaurus: the database named in the URL.
    pub eventasaurus: String,
    /// Eventasaurus of before `populate`: `<name>_dev` on the same server.
    pub eventasaurus_dev: String,
    /// Trivia Advisor: `<name>_trivia_advisor` on the same server.
    pub trivia_advisor: String,
}

/// Fills the database named in the URL as Eventasaurus, and `<name>_dev` and `<name>_trivia_advisor` beside it, for an
/// origin at this base URL; they are made where they are missing. `jsonb` normalises the texts.
///
/// # Errors
/// When one of them has a table `venues` already (then none is touched), or the server refuses.
pub async fn fill_postgres(url: &str, world: &World, origin_base: &str) -> Result<PostgresUrls, FillError> {
    let parsed = Url::parse(url).map_err(|_| FillError::NotAUrl)?;
    // Named in the query it would win over the name in the path, which is what the other URLs change.
    if parsed.query_pairs().any(|(key, _)| key == "dbname") || parsed.path().trim_matches('/').is_empty() {
        return Err(FillError::NotAUrl);
    }
    let options = postgres::direct(url, "longshore sandbox").map_err(|_| FillError::NotAUrl)?;
    let name = options.get_database().filter(|name| !name.is_empty()).ok_or(FillError::NotAUrl)?.to_owned();
    let [dev_name, ta_name] = ["dev", "trivia_advisor"].map(|what| format!("{name}_{what}"));

    let mut server = connect(&options, "postgres").await?;
    let mut missing = Vec::new();
    for database in [&name, &dev_name, &ta_name] {
        if !exists(&mut server, database).await.map_err(of(database))? {
            missing.push(database);
        } else if has_venues(&mut connect(&options, database).await?).await.map_err(of(database))? {
            return Err(FillError::Occupied(format!("a table venues in the database {database}")));
        }
    }
    for database in missing {
        create(&mut server, database).await.map_err(of(database))?;
    }
    let mut ea = connect(&options, &name).await?;
    let mut dev = connect(&options, &dev_name).await?;
    let mut ta = connect(&options, &ta_name).await?;
    fill_eventasaurus(&mut ea, world, |images| images.text(origin_base)).await.map_err(of(&name))?;
    let unpopulated = |images: &Images| images.unpopulated(origin_base);
    fill_eventasaurus(&mut dev, world, unpopulated).await.map_err(of(&dev_name))?;
    fill_trivia_advisor(&mut ta, world).await.map_err(of(&ta_name))?;
    for (db, database) in [(server, "postgres"), (ea, &*name), (dev, &*dev_name), (ta, &*ta_name)] {
        db.close().await.map_err(of(database))?;
    }

    let beside = |name: &str| {
        let mut url = parsed.clone();
        url.set_path(name);
        url.into()
    };
    let (eventasaurus_dev, trivia_advisor) = (beside(&dev_name), beside(&ta_name));
    Ok(PostgresUrls { eventasaurus: url.to_owned(), eventasaurus_dev, trivia_advisor })
}

fn of(database: &str) -> impl FnOnce(sqlx::Error) -> FillError {
    let database = database.to_owned();
    |source| FillError::Postgres { database, source }
}

async fn connect(options: &PgConnectOptions, database: &str) -> Result<PgConnection, FillError> {
    PgConnection::connect_with(&options.clone().database(database)).await.map_err(of(database))
}

async fn exists(server: &mut PgConnection, database: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(database)
        .fetch_one(server)
        .await
}

async fn create(server: &mut PgConnection, database: &str) -> sqlx::Result<()> {
    // A name cannot be a parameter here; quoted, with its own quotes doubled, it can be anything.
    let quoted = database.replace('"', "\"\"");
    let create = format!("CREATE DATABASE \"{quoted}\" TEMPLATE template0 ENCODING 'UTF8'");
    server.execute(AssertSqlSafe(create)).await.map(|_| ())
}

async fn has_venues(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM information_schema.tables WHERE table_name = 'venues')")
        .fetch_one(db)
        .await
}

async fn fill_eventasaurus(
    db: &mut PgConnection,
    world: &World,
    text: impl Fn(&Images) -> Option<String>,
) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    sqlx::raw_sql(EVENTASAURUS).execute(&mut *transaction).await?;
    for row in &world.countries {
        sqlx::query("INSERT INTO countries (id, name, code, slug) VALUES ($1, $2, $3, $4)")
            .bind(row.id)
            .bind(&row.name)
            .bind(&row.code)
            .bind(&row.slug)
            .execute(&mut *transaction)
            .await?;
    }
    for row in &world.cities {
        sqlx::query("INSERT INTO cities (id, name, slug, country_id) VALUES ($1, $2, $3, $4)")
            .bind(row.id)
            .bind(&row.name)
            .bind(&row.slug)
            .bind(row.country)
            .execute(&mut *transaction)
            .await?;
    }
    for rows in world.venues.chunks(SANDBOX_INSERT_ROWS) {
        sqlx::query(
            "INSERT INTO venues (id, slug, name, city_id, venue_images, inserted_at, updated_at)
             SELECT id, slug, name, city_id, images::jsonb, at::timestamp, at::timestamp
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[])
                 AS row (id, slug, name, city_id, images, at)",
        )
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.slug.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.city).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| text(&row.images)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.updated_at.as_str()).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

async fn fill_trivia_advisor(db: &mut PgConnection, world: &World) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    sqlx::raw_sql(TRIVIA_ADVISOR).execute(&mut *transaction).await?;
    for rows in world.ta_venues.chunks(SANDBOX_INSERT_ROWS) {
        sqlx::query(
            "INSERT INTO venues (id, slug, name, google_place_images)
             SELECT id, slug, name, images::jsonb
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS row (id, slug, name, images)",
        )
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.slug.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.images.as_deref()).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}
