package ledger

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"refbridge/fhir"
)

// unreadAnswers are the sightings of answers, by their text.
type unreadAnswers map[string][]Sighting

func (u unreadAnswers) read(a Answer) []Sighting { return u[string(a.Body)] }

// receive puts an answer into the inbox that nobody reads.
func (u unreadAnswers) receive(t require.TestingT, w *world, seen []Sighting) {
	name := fmt.Sprintf("answer %d", len(u))
	u[name] = seen
	_, err := w.Receive(w.t.Context(), Answer{Source: "ers", Body: []byte(name)}, Cursor{})
	require.NoError(t, err)
}

// works returns the work of a source batch by batch, and what is to be read of it.
func works(t require.TestingT, limit int, due func(Turn) ([]Work, error), toRead func() ([]Work, error)) (out []string) {
	turn := Turn{At: start().Add(time.Hour), Limit: limit}
	for {
		work, err := due(turn)
		require.NoError(t, err)
		if len(work) == 0 {
			break
		}
		require.LessOrEqual(t, len(work), limit)
		turn.After = work[len(work)-1].Place()
		for _, w := range work {
			out = append(out, fmt.Sprintf("%s %s %s known %s", w.Ref, w.Fate, w.Body, w.Known.Version))
		}
	}
	bare, err := toRead()
	require.NoError(t, err)
	for _, w := range bare {
		out = append(out, "to read "+w.Ref.String())
	}
	return out
}

func drawSighting(t *rapid.T) Sighting {
	if rapid.IntRange(0, 6).Draw(t, "patient") == 0 {
		return Sighting{Ref: fhir.Reference{Type: patientType, ID: draw(t, "who", "p", "q"), Version: drawVersion(t)}}
	}
	s := Sighting{Ref: fhir.Reference{Type: "ServiceRequest", ID: drawRef(t), Version: drawVersion(t)}}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		s.Ref.Version = ""
	case 1: // named only
	case 2:
		s.Reason, s.Body = Reason{Code: "unreadable"}, []byte("{")
	default:
		s.Body = []byte(draw(t, "content", "x", "x", "x", "y"))
		s.Patient = fhir.Reference{Type: patientType, ID: draw(t, "whose", "p", "q"), Version: "1"}
	}
	return s
}

func TestARehearsalIsWhatObserveThenDoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 6).Draw(rt, "before") {
			w.observe(drawSighting(rt))
			if due, err := w.Due(t.Context(), "ers", Turn{}); err == nil && len(due) > 0 && due[0].Body != nil {
				fate := draw(rt, "fate", Applied, Held, Dead)
				w.settle(Settlement{Ref: due[0].Ref, Fate: fate, Reason: Reason{Code: "r"}, Next: w.now, Known: &Known{Digest: "d"}})
			}
		}
		answers := unreadAnswers{}
		for range rapid.IntRange(0, 4).Draw(rt, "answers") {
			var seen []Sighting
			for range rapid.IntRange(1, 4).Draw(rt, "entries") {
				seen = append(seen, drawSighting(rt))
			}
			answers.receive(rt, w, seen)
		}
		limit := rapid.IntRange(1, 4).Draw(rt, "limit")
		r, err := w.reader().Rehearse(t.Context(), "ers", answers.read)
		require.NoError(rt, err)
		ahead := works(rt, limit, func(turn Turn) ([]Work, error) { return r.Due(t.Context(), "ers", turn) },
			func() ([]Work, error) { return r.ToRead(t.Context(), "ers") })
		require.NoError(rt, r.Close())
		for a, err := range w.Unread(t.Context(), "ers") {
			require.NoError(rt, err)
			require.NoError(rt, w.Observe(t.Context(), a, answers.read(a)))
		}
		then := works(rt, limit, func(turn Turn) ([]Work, error) { return w.Due(t.Context(), "ers", turn) },
			func() ([]Work, error) { return w.ToRead(t.Context(), "ers") })
		require.Equal(rt, then, ahead)
	})
}

func TestARehearsalLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	w := newWorld(t)
	answers := unreadAnswers{}
	r, err := w.Rehearse(t.Context(), "ers", answers.read)
	require.NoError(t, err)
	assert.Empty(t, r.dir, "every answer is read: there is nothing to rehearse")
	require.NoError(t, r.Close())
	answers.receive(t, w, []Sighting{{Ref: fhir.Reference{Type: "ServiceRequest", ID: "a", Version: "1"}, Body: []byte("what a record says")}})
	r, err = w.Rehearse(t.Context(), "ers", answers.read)
	require.NoError(t, err)
	files, err := os.ReadDir(r.dir)
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(r.dir + "/" + f.Name())
		require.NoError(t, err)
		assert.NotContains(t, string(text), "what a record says", "the copy is encrypted too")
	}
	require.NoError(t, r.Close())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	assert.Empty(t, w.due(), "the ledger is as it was")
}

func TestARehearsalGoesOnBehindABatchOfWhichTheCopyHasTheSay(t *testing.T) {
	// Before: four records are due. Of the first two an answer that nobody has read says something newer.
	w := newWorld(t)
	for _, id := range []string{"1", "2", "3", "4"} {
		w.observe(Sighting{Ref: ref(id, "1"), Body: body(id, "1", "active")})
	}
	answers := unreadAnswers{}
	answers.receive(t, w, []Sighting{{Ref: ref("1", "2"), Body: body("1", "2", "on-hold")}, {Ref: ref("2", "2"), Body: body("2", "2", "on-hold")}})
	r, err := w.Rehearse(t.Context(), "ers", answers.read)
	require.NoError(t, err)
	defer r.Close()
	for _, limit := range []int{1, 2, 3} {
		ahead := works(t, limit, func(turn Turn) ([]Work, error) { return r.Due(t.Context(), "ers", turn) },
			func() ([]Work, error) { return r.ToRead(t.Context(), "ers") })
		require.Len(t, ahead, 4, "batches of %d", limit)
	}
}
