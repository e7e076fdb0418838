package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFinding_SEC11_EveryFarEndIsReachedThroughTheProxyOfTheConfiguration(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a socket")
	}
	t.Parallel()
	// Before: far ends of other machines, and a proxy that answers nothing.
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if call := r.Method + " " + r.Host; !slices.Contains(asked, call) {
			asked = append(asked, call)
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	w := newWorld(t, setting{referrals: 1, ward: 1})
	plain := w.read("refbridge.yaml")
	hosts := []string{"sf.example.test", "ward.example.test", "ers.example.test"}
	loopback := regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`)
	for _, host := range append(hosts, hosts[2]) { // the last one has a token URL too
		plain = strings.Replace(plain, loopback.FindString(plain), "https://"+host, 1)
	}

	for _, c := range []struct {
		about, setting, env, command string
		want                         []string
	}{
		{"as the configuration says", "proxy: " + proxy.URL + "\n", "", "plan", hosts},
		{"a sync checks the tables against the org first", "proxy: " + proxy.URL + "\n", "", "sync", hosts[:1]},
		{"as the environment says", "proxy: env\n", proxy.URL, "plan", hosts},
		{"the environment is not asked", "", proxy.URL, "sync", nil},
	} {
		w.write("refbridge.yaml", c.setting+plain)
		args := []string{c.command, "-c", "refbridge.yaml"}
		if c.command == "plan" {
			args = append(args, "--poll")
		}
		asked = nil
		p := process(t, w.dir, args...)
		p.Env = append(p.Env, "HTTPS_PROXY="+c.env)
		assert.Error(t, p.Run(), "%s: nothing is there", c.about)
		var want []string
		for _, host := range c.want {
			want = append(want, "CONNECT "+host+":443")
		}
		assert.ElementsMatch(t, want, asked, c.about)
	}
}
