package ledger

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unread returns all unread answers of a source.
func (w *world) unread(source string) (out []Answer) {
	w.t.Helper()
	for a, err := range w.Unread(w.t.Context(), source) {
		require.NoError(w.t, err)
		out = append(out, a)
	}
	return out
}

func TestFinding_cost_P3_UnreadAnswersComeOneAtATimeWhateverIsReadMeanwhile(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		_, err := w.Receive(t.Context(), Answer{Source: "ward", Kind: "ServiceRequest", Body: fmt.Append(nil, i)}, Cursor{})
		require.NoError(t, err)
	}
	var got []string
	for a, err := range w.Unread(t.Context(), "ward") {
		require.NoError(t, err)
		got = append(got, string(a.Body))
		require.NoError(t, w.Observe(t.Context(), a, nil))
		if a.ID == 1 { // somebody reads the third, and another answer comes
			require.NoError(t, w.Observe(t.Context(), Answer{ID: 3, Source: "ward"}, nil))
			_, err := w.Receive(t.Context(), Answer{Source: "ward", Body: []byte("late")}, Cursor{})
			require.NoError(t, err)
		}
	}
	assert.Equal(t, []string{"0", "1", "3"}, got)
	assert.Len(t, w.unread("ward"), 1)
}

func TestFinding_server_MP15_NewsIsWhatObserveWouldChangeAnythingBy(t *testing.T) {
	for name, c := range map[string]struct {
		before []Sighting
		seen   Sighting
		want   bool
	}{
		"never seen":                           {nil, Sighting{Ref: ref("1", "1"), Body: body("1", "1", "active")}, true},
		"the same again":                       {[]Sighting{{Ref: ref("1", "1"), Body: body("1", "1", "active")}}, Sighting{Ref: ref("1", "1"), Body: body("1", "1", "active")}, false},
		"another version":                      {[]Sighting{{Ref: ref("1", "1"), Body: body("1", "1", "active")}}, Sighting{Ref: ref("1", "2"), Body: body("1", "2", "active")}, true},
		"other content under the same version": {[]Sighting{{Ref: ref("1", "1"), Body: body("1", "1", "active")}}, Sighting{Ref: ref("1", "1"), Body: body("1", "1", "revoked")}, true},
		"other content of an old version": {[]Sighting{{Ref: ref("1", "1"), Body: body("1", "1", "active")}, {Ref: ref("1", "2"), Body: body("1", "2", "active")}},
			Sighting{Ref: ref("1", "1"), Body: body("1", "1", "revoked")}, false},
		"a body for a version that was named": {[]Sighting{{Ref: ref("1", "1")}}, Sighting{Ref: ref("1", "1"), Body: body("1", "1", "active")}, true},
		"named again":                         {[]Sighting{{Ref: ref("1", "1")}}, Sighting{Ref: ref("1", "1")}, false},
		"no version, the same":                {[]Sighting{{Ref: ref("1", ""), Body: body("1", "", "a")}}, Sighting{Ref: ref("1", ""), Body: body("1", "", "a")}, false},
		"no version, other content":           {[]Sighting{{Ref: ref("1", ""), Body: body("1", "", "a")}}, Sighting{Ref: ref("1", ""), Body: body("1", "", "b")}, true},
		"no version, content that comes back": {[]Sighting{{Ref: ref("1", ""), Body: body("1", "", "a")}, {Ref: ref("1", ""), Body: body("1", "", "b")}},
			Sighting{Ref: ref("1", ""), Body: body("1", "", "a")}, true},
		"a broken entry again":   {[]Sighting{{Body: []byte("{"), Reason: Reason{Code: "unreadable"}}}, Sighting{Body: []byte("{"), Reason: Reason{Code: "unreadable"}}, false},
		"another broken entry":   {[]Sighting{{Body: []byte("{"), Reason: Reason{Code: "unreadable"}}}, Sighting{Body: []byte("}"), Reason: Reason{Code: "unreadable"}}, true},
		"broken, of a known ref": {[]Sighting{{Ref: ref("1", "1"), Body: body("1", "1", "active")}}, Sighting{Ref: ref("1", ""), Body: []byte("{"), Reason: Reason{Code: "unreadable"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.observe(c.before...)
			news, err := w.News(t.Context(), "ers", []Sighting{c.seen})
			require.NoError(t, err)
			assert.Equal(t, []bool{c.want}, news)
			before := w.statement()
			w.observe(c.seen)
			if !c.want {
				assert.Equal(t, before, w.statement(), "what is no news changes nothing")
			}
		})
	}
}

func TestADeadRecordThatIsNamedAgainIsNewsAndOneThatWasSettledIsNot(t *testing.T) {
	w := newWorld(t)
	seen := []Sighting{{Ref: ref("1", "")}, {Ref: ref("2", "1"), Body: body("2", "1", "active")}}
	w.observe(seen...)
	w.settle(Settlement{Ref: ref("1", ""), Fate: Dead}, Settlement{Ref: ref("2", "1"), Fate: Applied})
	news, err := w.News(t.Context(), "ers", seen)
	require.NoError(t, err)
	assert.Equal(t, []bool{true, false}, news)
}
