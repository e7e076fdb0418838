package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// This file is all that knows SQLite; the statements elsewhere are valid on PostgreSQL too.

// openSQLite opens the database: the writer through one connection whose transactions take the write lock when they
// begin (with deferred ones a transaction that reads first cannot wait for the lock at all), readers through mode=ro,
// which cannot write whatever they are told.
func openSQLite(path string, readOnly bool) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// 8 MiB of pages a connection: with the 2 MiB that SQLite takes by itself pages are read again and again once a ledger has some 10,000
	// referrals.
	pragmas := []string{"busy_timeout(5000)", "temp_store(memory)", "cache_size(-8192)"}
	q := url.Values{}
	if readOnly {
		q.Set("mode", "ro")
		pragmas = append(pragmas, "query_only(1)")
	} else {
		q.Set("mode", "rw")
		q.Set("_txlock", "immediate")
		pragmas = append(pragmas, "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)", "foreign_keys(1)", "secure_delete(1)")
	}
	q["_pragma"] = pragmas
	name := filepath.ToSlash(abs)
	if !strings.HasPrefix(name, "/") {
		name = "/" + name // C:/… of Windows
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: name}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if readOnly {
		db.SetMaxOpenConns(4)
	}
	return db, nil
}

// emptyLog moves the write-ahead log into the database and cuts it to nothing, so that erased bytes are gone from
// both. A reader in the middle of a transaction prevents the cut; that is no error, the next one does it.
func emptyLog(ctx context.Context, db *sql.DB) error {
	var busy, pages, moved int
	return db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
}

// prepareFiles creates the directory (0700) and the file (0600) where they are missing, and refuses what others may
// change or read. SQLite gives its log files the mode of the database.
func prepareFiles(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := refuseMode(dir, 0o022); err != nil {
		return err
	}
	return refuseMode(path, 0o077)
}

func refuseMode(path string, bits os.FileMode) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if os.PathSeparator == '/' && info.Mode().Perm()&bits != 0 {
		return fmt.Errorf("%s is open to other users (mode %04o): use a directory of mode 0700, a file of mode 0600", path, info.Mode().Perm())
	}
	return nil
}
