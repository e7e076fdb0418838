// Package fhirsim is a small stateful FHIR R4 server as a trust or a regional programme runs one: Patients,
// ServiceRequests and Appointments with versions, search with paging over a moving population, version-aware update,
// and SMART backend services sign-in (HL7 FHIR R4 http.html and search.html; SMART App Launch, backend services).
//
// It judges its client, so it imports nothing of refbridge: it writes and reads the wire by itself. All people in it
// are synthetic; their NHS numbers are of the 999 range, which is never issued.
//
// Beside the API, which starts at /fhir, it answers on loopback and without a token:
//
//	POST /token            SMART backend services, where Options.RequireToken is set
//	POST /control/clock    {"advance":"24h"}          moves the server's clock
//	POST /control/evolve   {"statusChanges":2, …}     Changes; answers the Changes that were possible
//	POST /control/faults   {"paging":"offset", …}     Faults; replaces those in force
//	GET  /control/report                              Report
package fhirsim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"time"
	_ "time/tzdata" // London time must be known on machines without a time zone database
)

// basePath is where the FHIR API starts.
const basePath = "/fhir"

// Options say what world the server holds. The zero value is an empty, open server on the real clock.
//
// Referral j (from 0) is ServiceRequest/sr{100000+j} of Patient/p{100000+j}; four of five have Appointment/ap{100000+j}.
// Three are troublesome, where there are so many:
//
//	j = 3  the Patient has no NHS number
//	j = 5  the Patient's NHS number has a wrong check digit
//	j = 8  the ServiceRequest has priority "soon", which R4 does not know
type Options struct {
	Seed         uint64           // same seed, same hour: same population; same clock: same evolution
	Referrals    int              // how many there are
	PageSize     int              // entries of a search page where the client does not say; 0 = 20
	RequireToken bool             // sign-in by SMART backend services; else an open server
	SMART        string           // which scopes it knows: "v1" (.read, .write), "v2" (.rs, .cruds); "" = both
	Key          *rsa.PrivateKey  // the client's RS384 key pair; nil = a new one
	Now          func() time.Time // nil = time.Now
}

// Credentials are what a client needs to talk to the server. For an open server only BaseURL is set.
type Credentials struct {
	BaseURL, TokenURL, ClientID string
	KeyID                       string
	Key                         *rsa.PrivateKey // signs RS384
	ECKeyID                     string
	ECKey                       *ecdsa.PrivateKey // signs ES384
}

// Server is the simulator. It is an http.Handler and safe for concurrent use.
type Server struct {
	options Options
	people  []int
	london  *time.Location
	mux     *http.ServeMux
	key     *rsa.PrivateKey
	ecKey   *ecdsa.PrivateKey

	mu      sync.Mutex // guards what follows
	offset  time.Duration
	random  *mathrand.Rand
	store   map[string]map[string]*record // type -> id
	results map[string]result             // searches that are being paged through
	grants  map[string]grant              // access tokens
	jtis    map[string]bool
	report  Report
	faults  active
}

// New builds the population and, where sign-in is required, the client's keys.
func New(o Options) (*Server, error) {
	if o.Referrals < 0 || o.PageSize < 0 {
		return nil, fmt.Errorf("fhirsim: %d referrals, %d a page: neither can be negative", o.Referrals, o.PageSize)
	}
	if o.SMART != "" && o.SMART != "v1" && o.SMART != "v2" {
		return nil, fmt.Errorf("fhirsim: SMART %q is neither v1 nor v2", o.SMART)
	}
	if o.PageSize == 0 {
		o.PageSize = 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return nil, fmt.Errorf("fhirsim: %w", err)
	}
	s := &Server{options: o, london: london, key: o.Key, random: mathrand.New(mathrand.NewPCG(o.Seed, 4))}
	s.results, s.grants, s.jtis = map[string]result{}, map[string]grant{}, map[string]bool{}
	s.report.Calls = map[string]int{}
	if err := s.keys(); err != nil {
		return nil, err
	}
	s.populate()
	s.routes()
	return s, nil
}

func (s *Server) keys() (err error) {
	if !s.options.RequireToken {
		return nil
	}
	if s.key == nil {
		if s.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return fmt.Errorf("fhirsim: %w", err)
		}
	}
	if s.ecKey, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		return fmt.Errorf("fhirsim: %w", err)
	}
	return nil
}

// Credentials gives what a client needs; baseURL is where this handler is served ("http://127.0.0.1:9090").
func (s *Server) Credentials(baseURL string) Credentials {
	if !s.options.RequireToken {
		return Credentials{BaseURL: baseURL + basePath}
	}
	return Credentials{
		BaseURL: baseURL + basePath, TokenURL: baseURL + "/token", ClientID: clientID,
		KeyID: rsaKeyID, Key: s.key, ECKeyID: ecKeyID, ECKey: s.ecKey,
	}
}

// People gives the persons of the shared synthetic population who are Patients here, troublesome ones included.
func (s *Server) People() []int { return append([]int(nil), s.people...) }

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET "+basePath+"/metadata", s.metadata)
	s.mux.HandleFunc("GET "+basePath+"/.well-known/smart-configuration", s.smartConfiguration)
	s.mux.HandleFunc("GET "+basePath+"/{type}", s.api("search", s.search))
	s.mux.HandleFunc("GET "+basePath+"/{type}/{id}", s.api("read", s.read))
	s.mux.HandleFunc("GET "+basePath+"/{type}/{id}/_history/{version}", s.api("vread", s.read))
	s.mux.HandleFunc("GET "+basePath+"/{type}/{id}/_history", s.api("history", s.history))
	s.mux.HandleFunc("PUT "+basePath+"/{type}/{id}", s.api("update", s.update))
	s.mux.HandleFunc("GET "+basePath+"/", func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "not-found") })
	s.mux.HandleFunc(basePath+"/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusMethodNotAllowed, "not-supported")
	})
	s.mux.HandleFunc("POST /token", s.token)
	s.mux.HandleFunc("POST /control/clock", local(s.controlClock))
	s.mux.HandleFunc("POST /control/evolve", local(s.controlEvolve))
	s.mux.HandleFunc("POST /control/faults", local(s.controlFaults))
	s.mux.HandleFunc("GET /control/report", local(s.controlReport))
}

// ServeHTTP answers one request at a time, once its body has arrived: what it sees is one state of the world. The Date
// header tells the server's own clock.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, "too-long")
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Date", s.now().Format(http.TimeFormat))
	s.mux.ServeHTTP(w, r)
}

// api counts a call, and lets it through where its type is known and its token allows it.
func (s *Server) api(interaction string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		typ := r.PathValue("type")
		if s.store[typ] == nil {
			fail(w, http.StatusNotFound, "not-supported")
			return
		}
		call := interaction + " " + typ
		s.report.Calls[call]++
		if s.misbehave(w, r, call) {
			return
		}
		if status := s.allowed(r, interaction, typ); status != http.StatusOK {
			if status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", "Bearer")
				fail(w, status, "login")
				return
			}
			fail(w, status, "forbidden")
			return
		}
		if !s.cut(w, r, call, next) {
			next(w, r)
		}
	}
}

// origin is where the client found this server.
func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// now is the server's clock, in UTC and whole milliseconds, as meta.lastUpdated tells it.
func (s *Server) now() time.Time {
	return s.options.Now().Add(s.offset + s.faults.ahead).UTC().Truncate(time.Millisecond)
}
