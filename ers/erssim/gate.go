package erssim

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// serve puts the gate before an endpoint, in the order of the live proxy (proxies/live/apiproxy/targets/ers-target.xml):
// token, rate, banned headers, then what the back end checks.
func (s *Server) serve(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.tally.call(e.name)
		c := &call{Request: r, name: e.name, base: serverURL(r) + basePath}
		s.respond(c, e).send(w, r)
	})
}

func (s *Server) respond(c *call, e endpoint) answer {
	if a, ok := s.admit(c); !ok {
		return a
	}
	fault, faulty := s.fault(c.name)
	if faulty && !fault.Late {
		return fault.answer()
	}
	if !accepts(c.Header["Accept"]) {
		return plain(http.StatusNotAcceptable)
	}
	a := s.process(c, e)
	if faulty && a.status < 300 {
		return fault.answer()
	}
	return a
}

// process receives the body and hands the call to its endpoint. An update holds its referral from the first byte on:
// a second one meanwhile meets 423, as a caller does that sends two updates at once (responses/Locked.yaml).
func (s *Server) process(c *call, e endpoint) answer {
	if c.write() {
		if !s.claim(c.ubrn()) {
			s.tally.violate("%s %s: two updates at once", c.name, c.ubrn())
			return empty(http.StatusLocked)
		}
		defer s.release(c.ubrn())
	}
	body, a, ok := receive(c.Request)
	if !ok {
		return a
	}
	c.body = body
	return e.answer(c)
}

func (s *Server) admit(c *call) (answer, bool) {
	if a, ok := s.authenticated(c.Header.Get("Authorization")); !ok {
		return a, false
	}
	if !s.pace.allow(time.Now()) {
		s.tally.throttle()
		return empty(http.StatusTooManyRequests), false
	}
	return s.headers(c)
}

// authenticated checks the bearer token. A bad one gets the status and the gateway's default body, not an
// OperationOutcome (policies/AssignMessage.OAuthPolicyErrorResponse.xml).
func (s *Server) authenticated(header string) (answer, bool) {
	token, bearer := strings.CutPrefix(header, "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	end, known := s.tokens[token]
	a := answer{}
	switch {
	case !bearer || !known:
		a = apigee(http.StatusUnauthorized, "keymanagement.service.invalid_access_token", "Invalid Access Token")
	case !s.now().Before(end):
		a = apigee(http.StatusUnauthorized, "keymanagement.service.access_token_expired", "Access Token expired")
	default:
		return answer{}, true
	}
	a.header = map[string]string{"WWW-Authenticate": `Bearer realm="null",error="invalid_token"`}
	return a, false
}

// headers refuses what the proxy injects itself, and notes what it ignores in application-restricted access.
func (s *Server) headers(c *call) (answer, bool) {
	for name := range c.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-ers-") {
			s.tally.violate("%s: banned header %s", c.name, lower)
			return empty(http.StatusForbidden), false
		}
		switch lower {
		case "nhsd-end-user-organisation-ods", "nhsd-ers-business-function", "nhsd-ers-on-behalf-of-user-id":
			s.tally.violate("%s: header %s is for user-restricted access", c.name, lower)
		}
	}
	return answer{}, true
}

func (s *Server) claim(ubrn string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[ubrn] {
		return false
	}
	s.busy[ubrn] = true
	return true
}

func (s *Server) release(ubrn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, ubrn)
}

// userOnly answers an endpoint that needs a signed-in member of staff (A014, A022, A038 …).
func (s *Server) userOnly(c *call) answer {
	s.tally.violate("%s: not open to an application", c.name)
	return outcome(http.StatusForbidden, "NO_ACCESS", c.name+" needs user-restricted access")
}

// userOnlyR4 is userOnly in R4; A033, A035 and A037 are refused because they need a referring organisation.
func (s *Server) userOnlyR4(c *call) answer {
	s.tally.violate("%s: not open to this application", c.name)
	return outcomeR4(http.StatusForbidden, "ACCESS_DENIED", c.name+" is not open to a provider application")
}

// notEntitled answers an endpoint that applications may have, but that is not in this one's message set: 401 although
// the token is good.
func (s *Server) notEntitled(c *call) answer {
	return outcome(http.StatusUnauthorized, "ACCESS_DENIED", c.name+" is not in the application's message set")
}

func (s *Server) notEntitledR4(c *call) answer {
	return outcomeR4(http.StatusUnauthorized, "ACCESS_DENIED", c.name+" is not in the application's message set")
}

// unknown answers 405 where another method would have been right, otherwise 404. There is no /metadata.
func (s *Server) unknown(c *call) answer {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		other := c.Clone(c.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != basePath+"/" {
			return empty(http.StatusMethodNotAllowed)
		}
	}
	return empty(http.StatusNotFound)
}

// pace is a token bucket in real time: the client's requests take real time, whatever day the simulator believes in.
type pace struct {
	mu         sync.Mutex
	rate, left float64
	last       time.Time
}

func newPace(rate float64) *pace { return &pace{rate: rate, left: max(1, rate)} }

func (p *pace) allow(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.last.IsZero() {
		p.left = min(max(1, p.rate), p.left+now.Sub(p.last).Seconds()*p.rate)
	}
	p.last = now
	if p.left < 1 {
		return false
	}
	p.left--
	return true
}
