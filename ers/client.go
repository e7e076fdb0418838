package ers

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the London day must be known on machines without a time zone database

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/wire"
)

// Config says which e-RS environment to use, as whom, and how fast. One e-RS application stands for one provider
// organisation: several organisations need several Clients.
type Config struct {
	BaseURL  string          // up to and including /FHIR, e.g. https://api.service.nhs.uk/referrals/FHIR
	TokenURL string          // e.g. https://api.service.nhs.uk/oauth2/token; it is the assertion's audience too
	ClientID string          // the application's API key
	KeyID    string          // kid of Key in the JWKS that the application registered
	Key      *rsa.PrivateKey // signs the assertions, RS512
	Rate     float64         // requests a second, evenly paced; 0 means 5 (e-RS allows 10 in production, less elsewhere)

	Ration          ration // who remembers the calls of A008; without it Worklist refuses
	WorklistsPerDay int    // calls of A008 for a service and day (of London), both lists together; 0 means 2

	Transport http.RoundTripper // nil means wire.Transport without a proxy
	Now       func() time.Time  // nil means time.Now
	Logger    *slog.Logger      // nil means none
}

// ration remembers how often a rationed call was made. Spend commits before it returns: a crash right after it costs
// the call, never an extra one.
type ration interface {
	Spend(ctx context.Context, name, day string, limit int) error
	Spent(ctx context.Context, name, day string) (int, error)
}

// Client calls e-RS for one application. It is safe for concurrent use.
type Client struct {
	sender sender
	pace   *wire.Pace
	tokens *tokens
	base   string
	ration ration
	daily  int
	now    func() time.Time
	london *time.Location

	mu     sync.Mutex
	denied map[string]bool // calls whose last answer was 401 with a token fresh from the sign-in
}

// New checks the configuration; it makes no call.
func New(c Config) (*Client, error) {
	base, err := wire.BaseURL(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("e-RS base URL %w", err)
	}
	sign, err := wire.BaseURL(c.TokenURL)
	if err != nil {
		return nil, fmt.Errorf("e-RS token URL %w", err)
	}
	if c.ClientID == "" || c.KeyID == "" || c.Key == nil {
		return nil, errors.New("e-RS sign-in: client id, key id and key are all needed")
	}
	if c.Rate < 0 || c.WorklistsPerDay < 0 {
		return nil, errors.New("e-RS limits: rate and worklists per day cannot be negative")
	}
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return nil, fmt.Errorf("the day of the worklist ration: %w", err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	logger := cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	w := newSender(c.Transport, c.Now)
	return &Client{
		sender: w,
		pace:   wire.NewPace(cmp.Or(c.Rate, 5), maxPause, tellRetry(logger)),
		tokens: newTokens(w, c, sign.String(), logger),
		base:   strings.TrimRight(base.String(), "/"),
		ration: c.Ration,
		daily:  cmp.Or(c.WorklistsPerDay, 2),
		now:    c.Now,
		london: london,
		denied: map[string]bool{},
	}, nil
}

// maxPause is how long one call waits in all where e-RS wants fewer calls; a longer one is the lane's to keep.
const maxPause = 60 * time.Second

// tellRetry logs that a call is sent again.
func tellRetry(logger *slog.Logger) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		if e, ok := errors.AsType[*Error](err); ok {
			logger.Warn("call failed, trying again", "call", e.Call, "status", e.Status, "codes", e.Codes, "wait", wait)
		}
	}
}

// List is a worklist that application-restricted mode may read.
type List string

// The provider worklists of A008 in application-restricted mode.
const (
	ReferralsForReview    List = "REFERRALS_FOR_REVIEW"
	AppointmentSlotIssues List = "APPOINTMENT_SLOT_ISSUES"
)

const worklistPath = "/STU3/ReferralRequest/$ers.fetchworklist"

// Worklist fetches one worklist of one service (A008). The call is rationed, "up to two times per day" for a service:
// the ration is spent before the request leaves, and the call is never retried, so a failed attempt is spent too. The
// one replay after a refused token spends again. The body comes back as received, for the inbox; ReadWorklist reads it.
// The ration's own error passes through.
func (c *Client) Worklist(ctx context.Context, service string, list List) ([]byte, error) {
	if list != ReferralsForReview && list != AppointmentSlotIssues {
		return nil, errors.New("worklist: only REFERRALS_FOR_REVIEW and APPOINTMENT_SLOT_ISSUES are for applications")
	}
	if !servicePattern().MatchString(service) || c.ration == nil {
		return nil, errors.New("worklist: a numeric service id and a ration are needed")
	}
	a, err := c.do(ctx, call{
		name:   "A008 fetch worklist",
		method: http.MethodPost,
		path:   worklistPath,
		body:   worklistBody(service, list),
		limit:  listTime,
		before: func(ctx context.Context) error {
			name, day := c.budget(service)
			return c.ration.Spend(ctx, name, day, c.daily)
		},
	})
	return a.body, err
}

// budget names the ration of a service today.
func (c *Client) budget(service string) (name, day string) {
	return "a008/" + service, c.now().In(c.london).Format(time.DateOnly)
}

// SpendWorklists takes what is left of the ration of a service today, without a call.
func (c *Client) SpendWorklists(ctx context.Context, service string) error {
	left, err := c.WorklistsLeft(ctx, service)
	for ; err == nil && left > 0; left-- {
		name, day := c.budget(service)
		err = c.ration.Spend(ctx, name, day, c.daily)
	}
	return err
}

// WorklistsLeft returns how many calls of Worklist the ration of a service has left today. It makes no call.
func (c *Client) WorklistsLeft(ctx context.Context, service string) (int, error) {
	if c.ration == nil {
		return 0, nil
	}
	name, day := c.budget(service)
	spent, err := c.ration.Spent(ctx, name, day)
	return max(0, c.daily-spent), err
}

var (
	servicePattern = pattern.MustOnce(`^[0-9]{1,20}$`)
	ubrnPattern    = pattern.MustOnce(`^[0-9]{12}$`)
	versionPattern = pattern.MustOnce(`^[0-9]{1,18}$`)
)

func worklistBody(service string, list List) []byte {
	return []byte(`{"resourceType":"Parameters",` +
		`"meta":{"profile":["https://fhir.nhs.uk/STU3/StructureDefinition/eRS-FetchWorklist-Parameters-1"]},` +
		`"parameter":[{"name":"listType","valueCodeableConcept":{"coding":[{` +
		`"system":"https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralListSelector-1","code":"` + string(list) + `"}]}},` +
		`{"name":"service","valueIdentifier":{"system":"http://fhir.nhs.net/Id/ers-service","value":"` + service + `"}}]}`)
}

// Read fetches the current version of one referral with what it contains (A005). A version in ref is not asked for:
// e-RS serves only the latest. The resource is whole, as received, and has meta.versionId. An answer that is no FHIR
// JSON, another type or another UBRN, an OperationOutcome, or ETag and meta.versionId in disagreement are an *Error.
func (c *Client) Read(ctx context.Context, ref fhir.Reference) (fhir.Resource, error) {
	if err := referral(ref); err != nil {
		return fhir.Resource{}, fmt.Errorf("read: %w", err)
	}
	q := call{
		name:   "A005 read referral",
		method: http.MethodGet,
		path:   "/STU3/ReferralRequest/" + ref.ID,
		repeat: true,
		limit:  wire.ReadTime,
	}
	a, err := c.do(ctx, q)
	if err != nil {
		return fhir.Resource{}, err
	}
	r, err := q.referral(a, ref.ID)
	if err != nil {
		return fhir.Resource{}, err
	}
	return q.versioned(a, r)
}

// Actions lists the codes of what the application may do with this version of a referral now (A029), for example
// RECORD_REVIEW_OUTCOME and CANCEL_REFERRAL; accepting is never listed. The version must be the current one: an older
// one is an *Error with Status 400 and code HISTORY_NOT_SUPPORTED. The answer must not be kept.
func (c *Client) Actions(ctx context.Context, ref fhir.Reference) ([]string, error) {
	if err := versioned(ref); err != nil {
		return nil, fmt.Errorf("actions: %w", err)
	}
	q := call{
		name:   "A029 list actions",
		method: http.MethodGet,
		path:   "/STU3/Task",
		query:  url.Values{"focus": {ref.String()}, "intent": {"proposal"}, "status": {"ready"}},
		repeat: true,
		limit:  wire.ReadTime,
	}
	a, err := c.do(ctx, q)
	if err != nil {
		return nil, err
	}
	r, err := q.resource(a, "Bundle")
	if err != nil {
		return nil, err
	}
	var codes []string
	for entry := range r.Root().Get("entry").Items() {
		for coding := range entry.Get("resource").Get("code").Get("coding").Items() {
			codes = append(codes, strings.Clone(coding.Get("code").Text()))
		}
	}
	return codes, nil
}

func referral(ref fhir.Reference) error {
	if ref.Type != "ReferralRequest" || !ubrnPattern().MatchString(ref.ID) {
		return errors.New("not a reference to a ReferralRequest with a UBRN of 12 digits")
	}
	return nil
}

func versioned(ref fhir.Reference) error {
	if err := referral(ref); err != nil {
		return err
	}
	if !versionPattern().MatchString(ref.Version) {
		return errors.New("the version that was read is needed")
	}
	return nil
}
