package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"refbridge/config/pattern"
	"refbridge/fhir"
)

var (
	ubrnPattern = pattern.MustOnce(`\b\d{12}\b`)
	nhsPattern  = pattern.MustOnce(`(?:\b|_)\d{3}[ -]?\d{3}[ -]?\d{4}(?:\b|_)`)
)

// newLogger gives the operational log: no personal data, and a keyed token in the place of each UBRN, which show accepts.
// The types of patient data do not print themselves; what is done here is the second fence, for texts of others.
func newLogger(w io.Writer, verbose bool, key []byte) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		text := textOf(a.Value)
		if safe := redact(text, key); safe != text {
			a.Value = slog.StringValue(safe)
		}
		return a
	}}))
}

// textOf gives what the handler would print, whatever type the value has; empty for what cannot name anybody.
func textOf(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime, slog.KindDuration, slog.KindBool, slog.KindFloat64:
		return ""
	}
	if b, ok := v.Any().([]byte); ok {
		return string(b)
	}
	return fmt.Sprintf("%+v", v.Any())
}

func redact(s string, key []byte) string {
	s = ubrnPattern().ReplaceAllStringFunc(s, func(ubrn string) string { return ubrnToken(ubrn, key) })
	return nhsPattern().ReplaceAllStringFunc(s, func(n string) string {
		if _, err := fhir.ParseNHSNumber(strings.Trim(n, "_")); err != nil {
			return n
		}
		return fhir.Private(n).String()
	})
}

// ubrnToken stands for a UBRN in logs: u- and 12 hexadecimal digits.
func ubrnToken(ubrn string, key []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("ubrn:" + ubrn))
	return "u-" + hex.EncodeToString(h.Sum(nil)[:6])
}
