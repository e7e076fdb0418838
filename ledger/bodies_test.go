package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// bodies gives "ReferralRequest/1/_history/5 {…}" for each body, "purged" in its place where it is gone.
func (w *world) bodies(source string, last int) []string {
	w.t.Helper()
	out := []string{}
	w.must(w.Bodies(w.t.Context(), source, last, func(b Body) error {
		text := string(b.JSON)
		if b.JSON == nil {
			text = "purged"
		}
		out = append(out, fmt.Sprintf("%s %s", b.Ref, text))
		return nil
	}))
	return out
}

func referral(id, version string) fhir.Reference {
	return fhir.Reference{Type: "ReferralRequest", ID: id, Version: version}
}

func TestBodiesAreGivenNewestFirst(t *testing.T) {
	w := newWorld(t)
	for i, version := range []string{"1", "2", "3"} {
		w.now = start().Add(time.Duration(i) * time.Hour)
		w.observe(Sighting{Ref: referral("000099000101", version), Body: fmt.Appendf(nil, `{"version":%s}`, version)})
	}
	w.observe(Sighting{Ref: referral("000099000102", "")}) // a mark: nothing was read yet

	assert.Equal(t, []string{
		`ReferralRequest/000099000101/_history/3 {"version":3}`,
		`ReferralRequest/000099000101/_history/2 {"version":2}`,
	}, w.bodies("ers", 2))
	assert.Len(t, w.bodies("ers", 100), 3)
	assert.Empty(t, w.bodies("epr", 100), "another source has none")
	assert.Empty(t, w.bodies("ers", 0))
}

func TestTheVersionsOfARecordComeTogether(t *testing.T) {
	w := newWorld(t)
	for i, ref := range []fhir.Reference{referral("000099000101", "1"), referral("000099000102", "1"), referral("000099000101", "2")} {
		w.now = start().Add(time.Duration(i) * time.Hour)
		w.observe(Sighting{Ref: ref, Body: []byte(`{}`)})
	}
	assert.Equal(t, []string{"ReferralRequest/000099000101/_history/2 {}", "ReferralRequest/000099000101/_history/1 {}",
		"ReferralRequest/000099000102/_history/1 {}"}, w.bodies("ers", 10))
	w.must(w.Bodies(t.Context(), "ers", 1, func(b Body) error {
		assert.Equal(t, start().Add(2*time.Hour), b.Seen)
		return nil
	}))
}

func TestASampleIsTheNewestAndSomeOfAllThatIsOlder(t *testing.T) {
	w := newWorld(t)
	for i := range 100 {
		w.now = start().Add(time.Duration(i) * time.Hour)
		w.observe(Sighting{Ref: referral(fmt.Sprintf("0000990%05d", i), "1"), Body: []byte(`{}`)})
	}
	hours := func(n int) []int {
		out := []int{}
		w.must(w.Sample(t.Context(), "ers", n, func(b Body) error {
			require.NotNil(t, b.JSON)
			out = append(out, int(b.Seen.Sub(start())/time.Hour))
			return nil
		}))
		return out
	}
	assert.Equal(t, []int{99, 98, 97, 96, 95, 76, 57, 38, 19, 0}, hours(10))
	for n, want := range map[int]int{0: 0, 1: 1, 99: 75, 100: 100, 101: 100, 2000: 100} {
		assert.Len(t, hours(n), want, n)
	}
	assert.Equal(t, 0, hours(99)[74], "the oldest is with them")

	w.settle(Settlement{Ref: referral("000099000000", "1"), Fate: Applied})
	w.now = start().Add(1000 * time.Hour)
	_, err := w.Purge(t.Context(), w.now.Add(time.Hour))
	require.NoError(t, err)
	assert.Len(t, hours(2000), 99, "what is purged says nothing")
}

func TestOtherContentOfAVersionIsSeenWhenItCame(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: referral("000099000101", "1"), Body: []byte(`{"a":1}`)})
	w.now = start().Add(48 * time.Hour)
	w.observe(Sighting{Ref: referral("000099000101", "1"), Body: []byte(`{"a":1,"new":2}`)})
	for _, give := range []func(func(Body) error) error{
		func(take func(Body) error) error { return w.Sample(t.Context(), "ers", 10, take) },
		func(take func(Body) error) error { return w.Bodies(t.Context(), "ers", 10, take) },
	} {
		w.must(give(func(b Body) error {
			assert.Equal(t, w.now, b.Seen)
			assert.JSONEq(t, `{"a":1,"new":2}`, string(b.JSON))
			return nil
		}))
	}
}

func TestAPurgedBodyIsGivenAsPurged(t *testing.T) {
	w := newWorld(t)
	old, recent := referral("000099000101", "1"), referral("000099000102", "1")
	w.observe(Sighting{Ref: old, Body: []byte(`{"old":true}`)})
	w.settle(Settlement{Ref: old, Fate: Applied})
	w.now = start().Add(40 * 24 * time.Hour)
	w.observe(Sighting{Ref: recent, Body: []byte(`{"old":false}`)})
	_, err := w.Purge(t.Context(), start().Add(time.Hour))
	require.NoError(t, err)

	assert.Equal(t, []string{recent.String() + ` {"old":false}`, old.String() + " purged"}, w.bodies("ers", 10))
}

func TestBodiesCanBeReadBesideTheWriterAndStopWhereTheReaderStops(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: referral("000099000101", "1"), Body: []byte(`{}`)}, Sighting{Ref: referral("000099000102", "1"), Body: []byte(`{}`)})
	enough, taken := errors.New("enough"), 0
	err := w.reader().Bodies(t.Context(), "ers", 10, func(Body) error {
		taken++
		w.observe(Sighting{Ref: referral("000099000103", "1"), Body: []byte(`{}`)}) // the reader must not hold up the writer
		return enough
	})
	require.ErrorIs(t, err, enough)
	assert.Equal(t, 1, taken)
}
