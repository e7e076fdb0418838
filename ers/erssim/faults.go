package erssim

import (
	"fmt"
	"net/http"
	"slices"
)

// Faults are misfortunes to order. SetFaults and POST /control/faults replace all that were in force.
type Faults struct {
	Locked []string `json:"locked,omitempty"` // UBRNs that somebody edits: writes answer 423 until the next Faults
	Next   []Fault  `json:"next,omitempty"`   // answers to give instead of the right ones, in this order

	Ahead       map[string]int  `json:"ahead,omitempty"`       // UBRN: the worklist names a version that is so much higher than A005's, until the next Faults
	Frozen      []string        `json:"frozen,omitempty"`      // UBRNs that A005 shows as they are now, whatever happens to them, until the next Faults
	AcceptAgain bool            `json:"acceptAgain,omitempty"` // A013 is taken again for what is accepted; the state stays BOOKED
	Edits       map[string]Edit `json:"edits,omitempty"`       // UBRN: changes to the referral, which stay
}

// Fault spoils the next Times calls of one endpoint.
type Fault struct {
	Call   string `json:"call"`            // A004, A005, A008, A013, A028, A029, A036, "token"; "" = any but that
	Status int    `json:"status"`          // what to answer; 0 = close the connection (net/http then repeats a GET by itself)
	Code   string `json:"code,omitempty"`  // OperationOutcome code instead of the usual one for the status
	Times  int    `json:"times,omitempty"` // 0 = once, below 0 = for good
	Late   bool   `json:"late,omitempty"`  // the call takes effect first; a call that fails anyway keeps its own answer
	// RetryAfter is sent with a 503, in seconds; 0 = the header is absent.
	RetryAfter int `json:"retryAfter,omitempty"`
	// Body is sent as it stands, with ContentType (for the HTML page of some middlebox); "" = what e-RS sends.
	Body        string `json:"body,omitempty"`
	ContentType string `json:"contentType,omitempty"`
}

// SetFaults replaces the faults in force. It fails, and changes nothing, where one of them cannot be.
func (s *Server) SetFaults(f Faults) error {
	next := slices.Clone(f.Next)
	for i := range next {
		if next[i].Times == 0 {
			next[i].Times = 1
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkFaults(f); err != nil {
		return err
	}
	s.faults = Faults{Locked: slices.Clone(f.Locked), Next: next, AcceptAgain: f.AcceptAgain}
	s.edit(f)
	return nil
}

// fault takes the first fault ordered for the call.
func (s *Server) fault(name string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.faults.Next
	i := slices.IndexFunc(next, func(f Fault) bool {
		return f.Call == name || f.Call == "" && name != "token"
	})
	if i < 0 {
		return Fault{}, false
	}
	taken := next[i]
	if next[i].Times--; next[i].Times == 0 {
		s.faults.Next = slices.Delete(next, i, i+1)
	}
	return taken, true
}

// answer gives the body that e-RS or its gateway sends with the status.
func (f Fault) answer() answer {
	if f.Status == 0 {
		return answer{drop: true}
	}
	if f.Body != "" || f.ContentType != "" {
		return answer{status: f.Status, contentType: f.ContentType, body: []byte(f.Body)}
	}
	code := func(usual string) string {
		if f.Code != "" {
			return f.Code
		}
		return usual
	}
	switch f.Status {
	case http.StatusUnauthorized:
		return outcome(f.Status, code("ACCESS_DENIED"), "")
	case http.StatusForbidden:
		return outcome(f.Status, code("NO_ACCESS"), "")
	case http.StatusInternalServerError:
		return apigee(f.Status, "entities.UnresolvedVariable", "Unresolved variable : app.app-restricted-ods-code")
	case http.StatusBadGateway:
		return outcome(f.Status, code("PAS_RESPONDED_WITH_ERROR"), "")
	case http.StatusServiceUnavailable:
		a := outcome(f.Status, code("SYSTEM_UNAVAILABLE"), "")
		if f.RetryAfter > 0 {
			a.header = map[string]string{"Retry-After": fmt.Sprint(f.RetryAfter)}
		}
		return a
	case http.StatusGatewayTimeout:
		return outcome(f.Status, code("PAS_NOT_RESPONDING"), "")
	}
	if f.Code != "" {
		return outcome(f.Status, f.Code, "")
	}
	return empty(f.Status)
}
