// Package erssim is a stateful simulator of the NHS e-Referral Service FHIR API as an application-restricted provider
// sees it: sign-in with a signed JWT, worklists (A008), referrals (A005), available actions (A029), reference data
// (A004) and the three operations open to an application (A013, A028, A036).
//
// It judges its client. Nothing is canned: referrals have state, versions rise, preconditions, rations, tokens and
// rates are enforced, and whatever a well-behaved client would not have done is kept for the Report. It therefore
// imports nothing of refbridge: it writes and reads the wire by itself, so that one mistake cannot hide in both.
//
// Protocol facts come from the public e-RS API specification (github.com/NHSDigital/e-referrals-service-api,
// specification/ and proxies/live/) and from the tests of the NHS identity service
// (github.com/NHSDigital/identity-service-api, e2e/tests/oauth). Where they are silent, a comment says what was chosen.
//
// Besides the API the server answers, on loopback and without a token:
//
//	POST /control/clock    {"advance":"24h"}       moves the simulator's clock
//	POST /control/evolve   {"bookings":2, …}       Changes; answers the []Event that came of them
//	POST /control/faults   {"locked":["…"], …}     Faults; replaces those in force
//	GET  /control/report                           Report
//	GET  /control/referrals                        []Referral
package erssim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the London day must be known on machines without a time zone database
)

// basePath is where the FHIR API starts on every NHS API platform host.
const basePath = "/referrals/FHIR"

// keyID names the registered public key.
const keyID = "erssim-1"

// Options say what world the simulator holds. The zero value is an empty one: no referrals, two services, ten requests
// a second, the real clock.
//
// Referral i (from 0) has UBRN 000000070001 + i and belongs to person i*7 mod max(1, Referrals*9/10) (see Person).
// From ten referrals on, and unless Clean is set, five of them are troublesome. They stand on Referrals For Review:
//
//	i = 5  no NHS number
//	i = 6  an NHS number with a wrong check digit
//	i = 7  a state code that nobody documented
//	i = 8  a priority code that nobody documented
//	i = 9  a sensitive patient: every access answers 422 PATIENT_ERROR
type Options struct {
	Seed      uint64   // same seed, same hour: same population; same clock: same evolution
	Referrals int      // how many there are; some 7,000 on one list of one service make A008 fail (10 MB)
	Services  []string // numeric e-RS service ids of the organisation; nil = 21012 and 11002
	ODS       string   // the organisation's ODS code; "" = RX999
	// AllStates spreads the 12 documented states over the population. Without it each referral starts where a first
	// poll finds it: BOOKED or AWAITING_TRIAGE (Referrals For Review), DEFERRED_TO_PROVIDER (Appointment Slot Issues).
	AllStates     bool
	Clean         bool             // no troublesome referrals
	RatePerSecond float64          // requests a second, also the burst (at least 1); 0 = 10. Measured in real time
	Key           *rsa.PrivateKey  // the client's key pair; nil = a new one
	Now           func() time.Time // nil = time.Now
}

// Server is the simulator. It is an http.Handler and safe for concurrent use.
type Server struct {
	options  Options
	key      *rsa.PrivateKey
	clientID string
	london   *time.Location
	mux      *http.ServeMux
	tally    *tally
	pace     *pace

	mu        sync.Mutex // guards what follows
	offset    time.Duration
	referrals map[string]*referral
	order     []string // UBRNs, ascending
	services  []service
	tokens    map[string]time.Time // token -> end of its life
	jtis      map[string]time.Time // jti -> exp of the JWT that used it
	ration    map[string]int       // service and London day -> A008 calls answered
	busy      map[string]bool      // UBRN -> an update is being received
	refused   map[string]bool      // UBRN -> PATIENT_ERROR was answered
	faults    Faults
	random    *mathrand.Rand
	next      sequence
}

// sequence hands out the numbers of appointments and documents, and counts what Evolve does in turn.
type sequence struct{ appointment, document, reviews, cancellations int }

// Credentials are what an application developer gets from NHS England on registration.
type Credentials struct {
	BaseURL       string // http://host/referrals/FHIR
	TokenURL      string // http://host/oauth2/token, also the audience of the JWT
	ClientID      string // iss and sub
	KeyID         string // kid
	PrivateKeyPEM []byte // RSA, PKCS #8
}

// New builds the population and the client's key pair.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return nil, fmt.Errorf("load time zone: %w", err)
	}
	if o.Key == nil {
		if o.Key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, fmt.Errorf("generate client key: %w", err)
		}
	}
	s := &Server{
		options: o, key: o.Key, clientID: "erssim-app-" + strings.ToLower(o.ODS), london: london,
		tally: newTally(), pace: newPace(o.RatePerSecond),
		referrals: map[string]*referral{}, tokens: map[string]time.Time{}, jtis: map[string]time.Time{},
		ration: map[string]int{}, busy: map[string]bool{}, refused: map[string]bool{},
		random: mathrand.New(mathrand.NewPCG(o.Seed, 0x6572732d73696d)),
		next:   sequence{appointment: 90001, document: 80001},
	}
	s.mux = s.routes()
	s.services = servicesOf(o)
	s.populate()
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Services == nil {
		o.Services = []string{"21012", "11002"}
	}
	if o.ODS == "" {
		o.ODS = "RX999"
	}
	if o.RatePerSecond == 0 {
		o.RatePerSecond = 10
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Credentials gives what the client needs to sign in here. baseURL is where the server listens, http://host:port, as
// the client will address it: the audience of its JWT and the dynamic code systems carry the same host.
func (s *Server) Credentials(baseURL string) Credentials {
	baseURL = strings.TrimSuffix(baseURL, "/")
	der, _ := x509.MarshalPKCS8PrivateKey(s.key) // fails for unknown key types only
	return Credentials{
		BaseURL: baseURL + basePath, TokenURL: baseURL + "/oauth2/token", ClientID: s.clientID, KeyID: keyID,
		PrivateKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

// Advance moves the simulator's clock forward, beside whatever Options.Now does. Tokens expire and days end by it. A
// client whose own clock does not move along signs assertions that have already expired.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// now is the simulator's time, in UTC. s.mu is held.
func (s *Server) now() time.Time { return s.options.Now().Add(s.offset).UTC() }

// day is the London date of t.
func (s *Server) day(t time.Time) string { return t.In(s.london).Format(time.DateOnly) }

// ServeHTTP answers the API, the token endpoint and, on loopback, the control endpoints.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth2/token", s.token)
	stu3, r4 := basePath+"/STU3", basePath+"/R4"
	referral := stu3 + "/ReferralRequest/{ubrn}"
	for _, e := range []endpoint{
		{"GET " + stu3 + "/CodeSystem/{type}", "A004", s.codeSystem},
		{"GET " + referral, "A005", s.read},
		{"GET " + referral + "/_history/{version}", "A005", s.read},
		{"POST " + stu3 + "/ReferralRequest/$ers.fetchworklist", "A008", s.worklist},
		{"POST " + referral + "/$ers.acceptReferral", "A013", s.accept},
		{"POST " + referral + "/$ers.recordReviewOutcome", "A028", s.review},
		{"GET " + stu3 + "/Task", "A029", s.actions},
		{"POST " + referral + "/$ers.cancelReferral", "A036", s.cancel},

		{"POST " + referral + "/$ers.rejectReferral", "A014", s.userOnly},
		{"POST " + referral + "/$ers.cancelAppointmentActionLater", "A022", s.userOnly},
		{"GET " + stu3 + "/Appointment/{id}", "A038", s.userOnly},
		{"GET " + stu3 + "/Appointment/{id}/_history/{version}", "A038", s.userOnly},
		{"PUT " + stu3 + "/Appointment/{id}", "A034", s.userOnly},
		{"POST " + stu3 + "/Appointment", "A016", s.userOnly},
		{"POST " + stu3 + "/Binary", "A020", s.userOnly},
		{"POST " + stu3 + "/CommunicationRequest/$ers.fetchworklist", "A023", s.userOnly},
		{"POST " + stu3 + "/CommunicationRequest/{ubrn}/$ers.sendCommunicationToRequester", "A026", s.userOnly},
		{"POST " + stu3 + "/ReferralRequest/$ers.createFromCommunicationRequestActionLater", "A027", s.userOnly},
		{"GET " + r4 + "/ServiceRequest", "A041", s.userOnlyR4},
		{"GET " + r4 + "/PractitionerRole", "A030", s.userOnlyR4},
		{"GET " + r4 + "/Practitioner", "A040", s.userOnlyR4},
		{"GET " + r4 + "/HealthcareService/{id}", "A033", s.userOnlyR4},
		{"GET " + r4 + "/HealthcareService", "A035", s.userOnlyR4},

		{"GET " + stu3 + "/Binary/{id}", "A006", s.notEntitled},
		{"POST " + referral + "/$ers.generateCRI", "A007", s.notEntitled},
		{"GET " + stu3 + "/CommunicationRequest/{ubrn}", "A024", s.notEntitled},
		{"GET " + stu3 + "/Communication", "A025", s.notEntitled},
		{"GET " + r4 + "/Binary/{id}", "A042", s.notEntitledR4},
		{"POST " + stu3 + "/CommunicationRequest/{ubrn}/$ers.generateCRI", "A043", s.notEntitled},
		{basePath + "/", "", s.unknown},
	} {
		mux.Handle(e.pattern, s.serve(e))
	}
	mux.HandleFunc("/control/", s.control)
	return mux
}
