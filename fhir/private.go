package fhir

import (
	"fmt"
	"io"
	"log/slog"
)

// Private is text about a person. It does not print itself: only Reveal gives it out, and only the mapper, the
// senders and the ledger's encrypted columns call Reveal. Formatting, logging and JSON give a placeholder. Two places
// are beyond reach: fmt cannot call methods of an unexported field, so a struct that has one needs a Format of its own,
// and encoding/json writes the keys of a map as they are.
type Private string

const hidden = "[private]"

// Reveal gives the text itself.
func (p Private) Reveal() string { return string(p) }

// Format gives the placeholder for every verb; without it, verbs that texts do not have (%d) would print the text.
func (p Private) Format(s fmt.State, _ rune) { io.WriteString(s, hidden) }

// String gives the placeholder.
func (p Private) String() string { return hidden }

// GoString gives the placeholder.
func (p Private) GoString() string { return hidden }

// LogValue gives the placeholder.
func (p Private) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText gives the placeholder, so that encoding/json cannot leak it.
func (p Private) MarshalText() ([]byte, error) { return []byte(hidden), nil }
