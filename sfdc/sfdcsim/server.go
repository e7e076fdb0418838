// Package sfdcsim simulates the Salesforce platform with Health Cloud objects, as far as refbridge uses it: OAuth,
// describe, rows, collections, composite, graph and SOQL, over the real wire format and with the platform's rules.
// It imports nothing of refbridge, because it judges refbridge's client.
//
// Sources: Salesforce REST API Developer Guide, Health Cloud Developer Guide (API v66.0), SOQL and SOSL Reference.
// Message texts that no page documents are written as public client code and issue threads quote them.
package sfdcsim

import (
	"crypto/rsa"
	"net/http"
	"sync"
	"time"
)

// Options configures a Server. The zero value is an org without people.
type Options struct {
	Seed        int64 // ids, client id and secret follow from it
	People      int   // person Accounts for the synthetic people 0…People-1, without those with n%37 == 36
	ExtraPeople []int // further people by number
	DailyCalls  int   // API calls a day; 0 means 100000
	PageSize    int   // rows of a query page; 0 means 2000, or what Sforce-Query-Options asks for (200 to 2000)

	OpenPicklists  bool                // leaves Status, Type and Priority of referrals and Status of appointments unrestricted, as no org should
	PicklistValues map[string][]string // further values by "Object.Field", as an administrator would add them
	// NoReferralParent: ServiceAppointment.ParentRecordId does not take a ClinicalServiceRequest, as the object guides
	// have it; the lookup Bridge_Referral__c is there instead.
	NoReferralParent bool
	Hidden           []string // "Object" or "Object.Field" that the integration user has no right to see: absent everywhere

	Now func() time.Time // nil = time.Now; Advance adds to it
}

// Credentials is what a client needs to sign in, either with the secret (client credentials) or with the key (JWT
// bearer). PrivateKeyPEM is a PKCS #8 block.
type Credentials struct {
	BaseURL       string `json:"baseUrl"`
	ClientID      string `json:"clientId"`
	ClientSecret  string `json:"clientSecret"`
	Username      string `json:"username"`
	PrivateKeyPEM []byte `json:"privateKeyPem"`
}

// Server is the simulated org. It is an http.Handler and safe for concurrent use: requests run one after another, each
// in a transaction of its own, as if the platform had no concurrency at all.
type Server struct {
	options Options
	schema  *schema
	now     func() time.Time

	mu       sync.Mutex
	offset   time.Duration
	store    *store
	people   people
	users    users
	sessions map[string]session
	cursors  cursors
	faults   faults
	count    counts
	used     int
	usedDay  string
	tokens   int

	keyOnce sync.Once
	key     *rsa.PrivateKey
	keyErr  error
}

// users are the ids of the people and processes that change records.
type users struct{ admin, integration, coordinator string }

// New builds an org with the standard rows and the population. It fails when an option names no object or field.
func New(o Options) (*Server, error) {
	if o.DailyCalls == 0 {
		o.DailyCalls = 100000
	}
	schema, err := newSchema(o)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, schema: schema, now: o.Now, sessions: map[string]session{}, store: newStore(schema, o.Seed)}
	if s.now == nil {
		s.now = time.Now
	}
	s.count = counts{refusals: map[string]int{}, violations: map[string]int{}}
	return s, s.populate()
}

// Advance moves the org's clock forward: sessions expire, the day's API calls come back.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// clock is the org's time in whole seconds, as the platform stores it. Callers hold the lock.
func (s *Server) clock() time.Time { return s.now().Add(s.offset).UTC().Truncate(time.Second) }

// ServeHTTP answers the token endpoint, the REST API under /services/data, and, on loopback, /control.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segments, ok := pathSegments(r.URL)
	if !ok {
		writeError(w, notFound())
		return
	}
	switch {
	case segments[0] == "control":
		s.serveControl(w, r, segments[1:])
	case len(segments) == 3 && segments[0] == "services" && segments[1] == "oauth2":
		s.serveOAuth(w, r, segments[2])
	case len(segments) >= 2 && segments[0] == "services" && segments[1] == "data":
		s.serveData(w, r, segments[2:])
	default:
		writeError(w, notFound())
	}
}
