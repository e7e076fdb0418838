package erssim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	tokenLife     = 599 * time.Second
	assertionLife = 310 * time.Second // five minutes, and ten seconds of mercy
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// refusal is an answer of the token endpoint: OAuth JSON, not an OperationOutcome. The texts are those that the tests of
// the NHS identity service expect (e2e/tests/oauth/test_client_credentials.py).
type refusal struct {
	status             int
	error, description string
}

func invalid(description string) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_request", description}
}

func unauthorised(description string) *refusal {
	return &refusal{http.StatusUnauthorized, "invalid_request", description}
}

// token answers POST /oauth2/token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.tally.call("token")
	if r.Method != http.MethodPost {
		empty(http.StatusMethodNotAllowed).send(w, r)
		return
	}
	fault, faulty := s.fault("token")
	if faulty && !fault.Late {
		fault.answer().send(w, r)
		return
	}
	a := s.grant(w, r)
	if faulty && a.status < 300 {
		a = fault.answer()
	}
	a.send(w, r)
}

func (s *Server) grant(w http.ResponseWriter, r *http.Request) answer {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	no := s.examine(r)
	if no != nil {
		s.tally.violate("token refused: %s", no.description)
		return answer{status: no.status, contentType: "application/json", body: encode(object{
			"error": no.error, "error_description": no.description, "message_id": "rrt-" + uuid(),
		})}
	}
	var secret [24]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	token := base64.RawURLEncoding.EncodeToString(secret[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for old, end := range s.tokens {
		if end.Add(tokenLife).Before(now) { // kept a while: an expired token is told from an unknown one
			delete(s.tokens, old)
		}
	}
	s.tokens[token] = now.Add(tokenLife)
	return answer{status: http.StatusOK, contentType: "application/json", body: encode(object{
		"access_token": token, "token_type": "Bearer",
		"expires_in": "599", // a string
		"issued_at":  fmt.Sprint(now.UnixMilli()),
	})}
}

// examine gives the reason to refuse a token request, nil where there is none.
func (s *Server) examine(r *http.Request) *refusal {
	if err := r.ParseForm(); err != nil {
		return invalid("the form cannot be read")
	}
	form := r.PostForm
	switch {
	case form.Get("grant_type") == "":
		return invalid("grant_type is missing")
	case form.Get("grant_type") != "client_credentials":
		return &refusal{http.StatusBadRequest, "unsupported_grant_type", "grant_type is invalid"}
	case form.Get("client_assertion_type") != assertionType:
		return invalid("Missing or invalid client_assertion_type - must be '" + assertionType + "'")
	case form.Get("client_assertion") == "":
		return invalid("Missing client_assertion")
	}
	a, ok := parseAssertion(form.Get("client_assertion"))
	if !ok {
		return invalid("Malformed JWT in client_assertion")
	}
	return s.examineAssertion(a, serverURL(r)+"/oauth2/token")
}

// assertion is a client's JWT, taken apart and not believed yet.
type assertion struct {
	header, claims map[string]any
	signed         string
	signature      []byte
}

func parseAssertion(raw string) (assertion, bool) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return assertion{}, false
	}
	a := assertion{signed: parts[0] + "." + parts[1]}
	var err error
	if a.signature, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return a, false
	}
	return a, decodePart(parts[0], &a.header) && decodePart(parts[1], &a.claims)
}

func decodePart(part string, into *map[string]any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(raw, into) == nil && *into != nil
}

func (s *Server) examineAssertion(a assertion, audience string) *refusal {
	kid, _ := a.header["kid"].(string)
	typ, _ := a.header["typ"].(string)
	alg, _ := a.header["alg"].(string)
	switch {
	case kid == "":
		return invalid("Missing 'kid' header in client_assertion JWT")
	case !strings.EqualFold(typ, "JWT"):
		return invalid("Invalid 'typ' header in client_assertion JWT - must be 'JWT'")
	case alg == "":
		return invalid("Missing 'alg' header in client_assertion JWT")
	case alg != "RS512":
		return invalid("Invalid 'alg' header in client_assertion JWT - unsupported JWT algorithm - must be 'RS512'")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, check := range []func() *refusal{
		func() *refusal { return a.subject() },
		func() *refusal { return a.expiry(s.now()) },
		func() *refusal { return s.registered(a, kid, audience) },
		func() *refusal { return s.unused(a) },
	} {
		if no := check(); no != nil {
			return no
		}
	}
	return nil
}

// subject checks iss, sub and the form of jti.
func (a assertion) subject() *refusal {
	iss, _ := a.claims["iss"].(string)
	sub, _ := a.claims["sub"].(string)
	jti, hasID := a.claims["jti"]
	text, isText := jti.(string)
	switch {
	case iss == "" || iss != sub:
		return invalid("Missing or non-matching 'iss'/'sub' claims in client_assertion JWT")
	case !hasID:
		return invalid("Missing 'jti' claim in client_assertion JWT")
	case !isText || text == "":
		return invalid("Invalid 'jti' claim in client_assertion JWT - must be a unique string value such as a GUID")
	}
	return nil
}

func (a assertion) exp() time.Time {
	seconds, _ := a.claims["exp"].(float64)
	return time.Unix(int64(seconds), 0)
}

func (a assertion) expiry(now time.Time) *refusal {
	raw, given := a.claims["exp"]
	_, number := raw.(float64)
	switch {
	case !given:
		return invalid("Missing 'exp' claim in client_assertion JWT")
	case !number:
		return invalid("Invalid 'exp' claim in client_assertion JWT - must be an integer")
	case a.exp().Before(now):
		return invalid("Invalid 'exp' claim in client_assertion JWT - JWT has expired")
	case a.exp().After(now.Add(assertionLife)):
		return invalid("Invalid 'exp' claim in client_assertion JWT - more than 5 minutes in future")
	}
	return nil
}

// registered checks what only the registration of the application can tell: audience, client, key and signature.
func (s *Server) registered(a assertion, kid, audience string) *refusal {
	digest := sha512.Sum512([]byte(a.signed))
	switch {
	case a.claims["aud"] != audience:
		return unauthorised("Missing or invalid 'aud' claim in client_assertion JWT")
	case a.claims["iss"] != s.clientID:
		return unauthorised("Invalid 'iss'/'sub' claims in client_assertion JWT")
	case kid != keyID:
		return unauthorised("Invalid 'kid' header in client_assertion JWT - no matching public key")
	case rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA512, digest[:], a.signature) != nil:
		return &refusal{http.StatusUnauthorized, "public_key error", "JWT signature verification failed"}
	}
	return nil
}

// unused burns the jti. It is remembered for as long as the same JWT could be accepted.
func (s *Server) unused(a assertion) *refusal {
	now, id := s.now(), a.claims["jti"].(string)
	for old, exp := range s.jtis {
		if exp.Before(now) {
			delete(s.jtis, old)
		}
	}
	if _, used := s.jtis[id]; used {
		return invalid("Non-unique 'jti' claim in client_assertion JWT")
	}
	s.jtis[id] = a.exp()
	return nil
}
