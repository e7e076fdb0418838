package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"refbridge/fhir/ndjson"
	"refbridge/mapping"
)

// file reads the records of a file. One that cannot be read does not touch the others.
func (s *samples) file(ctx context.Context, name string, r io.Reader, take func(mapping.Sample)) error {
	for rec, err := range ndjson.Records(r) {
		at := fmt.Sprintf("%s:%d", name, rec.Line)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return notRead(name, err)
		case rec.Err != nil:
			s.unreadable(at, rec.Err)
		default:
			s.record(at, rec.Text, take)
		}
	}
	return ctx.Err()
}

// notRead says why a file of records cannot be read.
func notRead(name string, err error) error {
	if name == "-" {
		name = "standard input"
	}
	err = fmt.Errorf("read %s: %w", name, err)
	switch {
	case errors.Is(err, ndjson.ErrGzip):
		return hinted{err, "unpack it first: gunzip -c FILE | refbridge …, with - as the file"}
	case errors.Is(err, ndjson.ErrLongDocument):
		return hinted{err, "write a record a line (NDJSON), for example with jq -c"}
	}
	return err
}
