package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// filesOf returns the files of this package that a build with these tags compiles.
func filesOf(t *testing.T, tags ...string) []string {
	t.Helper()
	c := build.Default
	c.BuildTags = tags
	p, err := c.ImportDir(".", 0)
	require.NoError(t, err)
	return p.GoFiles
}

func TestTheClockCanBeMovedInNoBuildButThatOfTheTagMovableclock(t *testing.T) {
	ordinary, trial := filesOf(t), filesOf(t, "movableclock")
	assert.Contains(t, ordinary, "clock.go")
	assert.NotContains(t, ordinary, "movableclock.go")
	assert.Contains(t, trial, "movableclock.go")
	assert.NotContains(t, trial, "clock.go", "the two differ in this one file")
	both := func(f string) bool { return f == "clock.go" || f == "movableclock.go" }
	assert.Equal(t, slices.DeleteFunc(ordinary, both), slices.DeleteFunc(trial, both))

	root, files := repository(t)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(root, f.path))
		require.NoError(t, err)
		if !f.test() && f.path != "cmd/refbridge/movableclock.go" {
			assert.False(t, bytes.Contains(text, []byte("REFBRIDGE_CLOCK")), "%s knows of the movable clock", f.path)
		}
	}
}

func TestTheProgramTakesTheTimeFromOneFunction(t *testing.T) {
	_, files := repository(t)
	for _, f := range files {
		if f.dir != "cmd/refbridge" || f.test() || strings.HasSuffix(f.path, "clock.go") {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				pkg, _ := s.X.(*ast.Ident)
				named := pkg != nil && pkg.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, s.Sel.Name)
				assert.False(t, named, "%s:%d asks the machine for the time, and not program.now", f.path, f.line(n.Pos()))
			}
			return true
		})
	}
}

// ask sends one request from this machine to a simulator.
func ask(t *testing.T, h http.Handler, path, contentType, body string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:9"
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	return w.Body.String()
}

func TestASimulatorHasTheTimeOfTheProgram(t *testing.T) {
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	p := &program{now: func() time.Time { return now }}
	for _, what := range []string{"ers", "fhir"} {
		h, _, err := (&simulateCmd{What: what, Referrals: 1, SMART: "none"}).build(p)
		require.NoError(t, err)
		assert.Contains(t, ask(t, h, "/control/clock", "application/json", `{"advance":"0s"}`), "2031-05-06T07:08:09", what)
	}
	h, reachable, err := (&simulateCmd{What: "salesforce", Referrals: 1}).build(p)
	require.NoError(t, err)
	r, err := reachable("http://org.test", t.TempDir())
	require.NoError(t, err)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {r.ClientID}, "client_secret": {r.ClientSecret}}
	token := ask(t, h, "http://org.test/services/oauth2/token", "application/x-www-form-urlencoded", form.Encode())
	assert.Contains(t, token, strconv.FormatInt(now.UnixMilli(), 10))
}

func TestTheRateOfASimulator(t *testing.T) {
	for _, c := range []struct {
		name, what, rate, want string // want: an error, or the rate that e-RS is given
	}{
		{"not named: as live", "ers", "", "0"},
		{"named", "ers", "100", "100"},
		{"a call in two seconds", "ers", "0.5", "0.5"},
		{"none at all", "ers", "0", "--rate 0 is no number of calls a second"},
		{"less than none", "ers", "-1", "--rate -1 is no number of calls a second"},
		{"no number", "ers", "NaN", "--rate NaN is no number of calls a second"},
		{"without end", "ers", "Inf", "--rate +Inf is no number of calls a second"},
		{"fhir has a fault for it", "fhir", "100", "--rate is for ers"},
		{"salesforce has none", "salesforce", "100", "--rate is for ers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := &simulateCmd{What: c.what}
			if c.rate != "" {
				v, err := strconv.ParseFloat(c.rate, 64)
				require.NoError(t, err)
				cmd.Rate = &v
			}
			got, err := cmd.rate()
			if err != nil {
				assert.EqualError(t, err, c.want)
				assert.ErrorAs(t, err, new(usage))
				return
			}
			assert.Equal(t, c.want, fmt.Sprint(got))
		})
	}
	assert.Equal(t, exitUsage, refbridge(t, "simulate", "salesforce", "--rate", "100").code)
}
