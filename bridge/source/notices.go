package source

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"refbridge/ledger"
)

// NoticeCursor begins the names of cursors that hold what is odd about a source, in words for people: told in the log once, and in
// the statement for as long as it is so.
const NoticeCursor = "notice:"

// tell notes what was odd about this poll, or that it is not any more.
func (s *search) tell(ctx context.Context) error {
	if s.cursor == "" {
		return nil
	}
	for _, n := range []struct{ name, text string }{
		{"stamps", s.progress.odd(s.typ)},
		{"outcome", incomplete(s.typ, s.outcomes)},
	} {
		if err := s.notice(ctx, NoticeCursor+n.name+":"+s.typ, n.text); err != nil {
			return err
		}
	}
	return nil
}

func (s *search) notice(ctx context.Context, name, text string) error {
	before, err := s.in.Cursor(ctx, name)
	if err != nil || before == text {
		return err
	}
	if before == "" && s.server.Logger != nil {
		s.server.Logger.Warn("odd answers of the source", "type", s.typ, "what", text)
	}
	return s.in.Receive(ctx, ledger.Answer{}, ledger.Cursor{Name: name, Value: text})
}

// odd says which stamps of a poll cannot be right; empty where all can.
func (p progress) odd(typ string) string {
	var out []string
	if p.ahead > 0 {
		out = append(out, fmt.Sprintf("%d records of %s are stamped in the future (newest %s): they are carried, and do not move the "+
			"watermark; the clock of the source is or was ahead", p.ahead, typ, p.furthest.UTC().Format(time.RFC3339)))
	}
	if p.bare > 0 {
		out = append(out, fmt.Sprintf("%d records of %s have no meta.lastUpdated that can be read: a later change of them may not be found",
			p.bare, typ))
	}
	return strings.Join(out, "; ")
}

// incomplete says what the server said about its own answers; empty where it said nothing.
func incomplete(typ string, codes []string) string {
	if len(codes) == 0 {
		return ""
	}
	slices.Sort(codes)
	return fmt.Sprintf("the source says of its list of %s (OperationOutcome): %s; records may be missing from it", typ,
		strings.Join(slices.Compact(codes), ", "))
}

// NoticesOf returns what is odd about a source, in words for people.
func NoticesOf(ctx context.Context, l *ledger.Ledger, source string) ([]string, error) {
	all, err := l.Cursors(ctx, source, NoticeCursor)
	var out []string
	for _, c := range all {
		if c.Value != "" {
			out = append(out, c.Value)
		}
	}
	return out, err
}
