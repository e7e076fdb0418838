package erssim

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// control answers what steers the simulator and reads its books. There is no token; only loopback is let in.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	if !loopback(r.RemoteAddr) {
		empty(http.StatusForbidden).send(w, r)
		return
	}
	var out any
	var err error
	switch r.Method + " " + r.URL.Path {
	case "GET /control/report":
		out = s.Report()
	case "GET /control/referrals":
		out = s.Referrals()
	case "POST /control/clock":
		out, err = s.moveClock(r.Body)
	case "POST /control/evolve":
		var c Changes
		if err = decode(r.Body, &c); err == nil {
			out = s.Evolve(c)
		}
	case "POST /control/faults":
		var f Faults
		if err = decode(r.Body, &f); err == nil {
			out, err = f, s.SetFaults(f)
		}
	default:
		empty(http.StatusNotFound).send(w, r)
		return
	}
	status := http.StatusOK
	if err != nil {
		status, out = http.StatusBadRequest, object{"error": err.Error()}
	}
	answer{status: status, contentType: "application/json", body: encode(out)}.send(w, r)
}

func (s *Server) moveClock(body io.Reader) (any, error) {
	var request struct {
		Advance string `json:"advance"`
	}
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(request.Advance)
	if err != nil {
		return nil, err
	}
	s.Advance(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	return object{"now": s.now().Format(time.RFC3339Nano)}, nil
}

// decode reads one JSON value and refuses members that it does not know.
func decode(body io.Reader, into any) error {
	d := json.NewDecoder(io.LimitReader(body, maxBody))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func loopback(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
