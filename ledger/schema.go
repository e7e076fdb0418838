package ledger

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed schema
var schemaFiles embed.FS

// schema gives the migrations in order; the version of a database is the number of those that it has had.
func schema() ([]string, error) {
	entries, err := fs.ReadDir(schemaFiles, "schema")
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range entries {
		text, err := fs.ReadFile(schemaFiles, path.Join("schema", strconv.Itoa(i+1)+".sql"))
		if err != nil {
			return nil, err
		}
		out = append(out, string(text))
	}
	return out, nil
}

// migrate brings a database up to date, one transaction a version: a crash leaves the version before, whole. A newer
// database is refused.
func migrate(ctx context.Context, db *sql.DB, schema func() ([]string, error), m migration) error {
	steps, err := schema()
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)`)
	if err != nil {
		return err
	}
	has, err := schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	if has > len(steps) {
		return fmt.Errorf("%w: it has version %d, this program %d: use the newer program", ErrSchema, has, len(steps))
	}
	for v := has + 1; v <= len(steps); v++ {
		if err := m.to(ctx, db, v, steps[v-1]); err != nil {
			return fmt.Errorf("migrate to version %d: %w", v, err)
		}
	}
	return nil
}

// migration is what one migration needs to know.
type migration struct {
	now     time.Time
	reached func(point string) // tests end the process here; nil: nobody asks
}

// to makes one step.
func (m migration) to(ctx context.Context, db *sql.DB, version int, text string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for n, statement := range statements(text) {
		m.at(version, n)
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	m.at(version, len(statements(text)))
	if _, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version, applied) VALUES ($1, $2)`, version, toMillis(m.now)); err != nil {
		return err
	}
	m.at(version, len(statements(text))+1)
	return tx.Commit()
}

// at tells that so many statements of a step are made.
func (m migration) at(version, made int) {
	if m.reached != nil {
		m.reached(fmt.Sprintf("version %d, %d made", version, made))
	}
}

// statements are those of a step.
func statements(text string) (out []string) {
	for part := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(part) != "" {
			out = append(out, part)
		}
	}
	return out
}

// checkSchema refuses a database that is not exactly of this program's version: a reader cannot migrate.
func checkSchema(ctx context.Context, db *sql.DB) error {
	steps, err := schema()
	if err != nil {
		return err
	}
	has, err := schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	if has != len(steps) {
		return fmt.Errorf("%w: it has version %d, this program %d", ErrSchema, has, len(steps))
	}
	return nil
}

func schemaVersion(ctx context.Context, db *sql.DB) (int, error) {
	var v int
	err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&v)
	return v, err
}
