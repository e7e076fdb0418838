package ledger

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func patient(id, version string) fhir.Reference {
	return fhir.Reference{Type: "Patient", ID: id, Version: version}
}

func TestFinding_server_MP6_AChangeOfThePatientMarksItsLiveRecordsAndNobodyElses(t *testing.T) {
	w := newWorld(t)
	w.observe(
		Sighting{Ref: ref("1", "3-p1"), Body: body("1", "3", "active"), Patient: patient("a", "1")},
		Sighting{Ref: ref("2", "1-p1"), Body: body("2", "1", "active"), Patient: patient("a", "1")},
		Sighting{Ref: ref("3", "1-p1"), Body: body("3", "1", "active"), Patient: patient("a", "1")},
		Sighting{Ref: ref("4", "1-p7"), Body: body("4", "1", "active"), Patient: patient("b", "7")})
	w.settle(Settlement{Ref: ref("3", "1-p1"), Fate: Applied, Known: &Known{Version: "1-p1", Terminal: true}})
	before := w.statement()
	toRead := func() (out []string) {
		work, err := w.ToRead(t.Context(), "ers")
		require.NoError(t, err)
		for _, one := range work {
			out = append(out, one.Ref.ID)
		}
		return out
	}
	for _, known := range []fhir.Reference{patient("a", "1"), patient("b", "7"), patient("nobody", "1")} {
		news, err := w.News(t.Context(), "ers", []Sighting{{Ref: known}})
		require.NoError(t, err)
		assert.Equal(t, []bool{false}, news)
		w.observe(Sighting{Ref: known})
	}
	assert.Empty(t, toRead())
	assert.Equal(t, before, w.statement(), "nothing is kept of a Patient")

	changed := Sighting{Ref: patient("a", "2")}
	news, err := w.News(t.Context(), "ers", []Sighting{changed})
	require.NoError(t, err)
	assert.Equal(t, []bool{true}, news)
	w.observe(changed)
	w.observe(changed)
	assert.ElementsMatch(t, []string{"1", "2"}, toRead(), "the third has come to its end")

	for _, id := range []string{"1", "2"} {
		_, err = w.KeepAll(t.Context(), "ers", []Sighting{{Ref: ref(id, "3-p2"), Body: body(id, "3", "active"), Patient: patient("a", "2")}})
		require.NoError(t, err)
	}
	news, err = w.News(t.Context(), "ers", []Sighting{changed})
	require.NoError(t, err)
	assert.Equal(t, []bool{false}, news)
	assert.Empty(t, toRead())
	require.NoError(t, w.Verify(t.Context()))
	var tokens int
	require.NoError(t, w.read.QueryRowContext(t.Context(), `SELECT count(*) FROM patients WHERE token IN ('a', 'b') OR seen IN ('a', 'b')`).Scan(&tokens))
	assert.Zero(t, tokens, "the id of a Patient may be a number that names somebody")
}
