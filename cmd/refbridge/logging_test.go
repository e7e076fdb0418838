package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/fhir"
)

// logged gives what a log line becomes.
func logged(verbose bool, say func(*slog.Logger)) string {
	var out bytes.Buffer
	say(newLogger(&out, verbose, []byte("log key")))
	return out.String()
}

func TestALogHoldsNoUBRNButItsToken(t *testing.T) {
	t.Parallel()
	token := ubrnToken("000000070001", []byte("log key"))
	assert.Regexp(t, `^u-[0-9a-f]{12}$`, token)
	assert.NotEqual(t, token, ubrnToken("000000070002", []byte("log key")))
	assert.NotEqual(t, token, ubrnToken("000000070001", []byte("another key")), "nobody can make tokens without the key")
	ref := fhir.Reference{Type: "ReferralRequest", ID: "000000070001", Version: "7"}
	for name, say := range map[string]func(*slog.Logger){
		"in a string":    func(l *slog.Logger) { l.Error("held", "ref", "ReferralRequest/000000070001/_history/7") },
		"in a reference": func(l *slog.Logger) { l.Error("held", "ref", ref) },
		"in an error": func(l *slog.Logger) {
			l.Error("held", "error", fmt.Errorf("read %s: %w", ref, errors.New("no answer")))
		},
		"in a key":                func(l *slog.Logger) { l.Error("held", "key", "ers.sr.000000070001") },
		"in an attribute of With": func(l *slog.Logger) { l.With("ref", ref).Error("held") },
		"in a group":              func(l *slog.Logger) { l.WithGroup("work").Error("held", "ref", ref) },
		"in a group as value":     func(l *slog.Logger) { l.Error("held", slog.Group("work", slog.Group("deep", "ref", ref))) },
		"in a With of a group":    func(l *slog.Logger) { l.WithGroup("work").With("ref", ref).Error("held") },
		"in a message":            func(l *slog.Logger) { l.Error("held ReferralRequest/000000070001") },
		"in a list":               func(l *slog.Logger) { l.Error("held", "refs", []fhir.Reference{ref, ref}) },
		"in a list of strings":    func(l *slog.Logger) { l.Error("held", "refs", []string{"000000070001"}) },
		"in a joined error": func(l *slog.Logger) {
			l.Error("held", "error", errors.Join(errors.New("000000070001"), errors.New("x")))
		},
		"in a struct": func(l *slog.Logger) { l.Error("held", "work", struct{ UBRN string }{"000000070001"}) },
		"in a pointer": func(l *slog.Logger) {
			l.Error("held", "work", &struct {
				Ref fhir.Reference
			}{ref})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := logged(false, say)
			assert.NotContains(t, line, "000000070001")
			assert.Contains(t, line, token)
			assert.Equal(t, 1, strings.Count(line, "\n"))
		})
	}
}

func TestALogHoldsNoNHSNumberHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	number, err := fhir.ParseNHSNumber("9990000018")
	assert.NoError(t, err)
	for name, say := range map[string]func(*slog.Logger){
		"in a string":        func(l *slog.Logger) { l.Error("read", "url", "https://x.example/Patient/9990000018") },
		"with spaces":        func(l *slog.Logger) { l.Error("read", "text", "patient 999 000 0018 seen") },
		"with hyphens":       func(l *slog.Logger) { l.Error("read", "text", "patient 999-000-0018 seen") },
		"in an error":        func(l *slog.Logger) { l.Error("read", "error", errors.New(`no row "9990000018"`)) },
		"in a wrapped error": func(l *slog.Logger) { l.Error("read", "error", fmt.Errorf("read: %w", errors.New("9990000018"))) },
		"in a group":         func(l *slog.Logger) { l.WithGroup("a").With("b", "9990000018").Error("read", "c", "9990000018") },
		"as a type":          func(l *slog.Logger) { l.Error("read", "number", number) },
		"as private text":    func(l *slog.Logger) { l.Error("read", "number", fhir.Private("9990000018")) },
		"as a number":        func(l *slog.Logger) { l.Error("read", "number", 9990000018) },
		"in a list":          func(l *slog.Logger) { l.Error("read", "numbers", []string{"9990000018"}) },
		"in bytes":           func(l *slog.Logger) { l.Error("read", "body", []byte("9990000018")) },
		"beside a word":      func(l *slog.Logger) { l.Error("read", "key", "nhs_9990000018") },
		"in a message":       func(l *slog.Logger) { l.Error("read 9990000018") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := logged(false, say)
			assert.NotRegexp(t, `999[ -]?000[ -]?0018`, line)
			assert.Contains(t, line, "read", "the line itself is there")
		})
	}
}

func TestALogKeepsWhatIsNoPersonalData(t *testing.T) {
	t.Parallel()
	line := logged(true, func(l *slog.Logger) {
		l.Info("call done", "status", 200, "calls", 1234567890, "took", 1500*time.Millisecond, "key", "ers.ap.70009",
			"at", time.Date(2026, 7, 14, 8, 30, 0, 0, time.UTC), "error", nil)
	})
	assert.Contains(t, line, "level=INFO")
	assert.Contains(t, line, `msg="call done"`)
	assert.Contains(t, line, "status=200")
	assert.Contains(t, line, "took=1.5s")
	assert.Contains(t, line, "key=ers.ap.70009")
	assert.Contains(t, line, "at=2026-07-14T08:30:00.000Z")
	assert.Contains(t, line, "calls=1234567890", "ten digits with a wrong check digit")
	assert.Regexp(t, `^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\S* level=`, line, "RFC 3339")
}

func TestInformationIsLoggedOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	say := func(l *slog.Logger) { l.Info("done"); l.Warn("odd") }
	assert.NotContains(t, logged(false, say), "msg=done")
	assert.Contains(t, logged(false, say), "level=WARN msg=odd")
	assert.Contains(t, logged(true, say), "level=INFO msg=done")
}
