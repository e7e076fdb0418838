package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-resty/resty/v2"

	"refbridge/fhir"
)

var (
	errOther     = errors.New("the answer is another resource than the one asked for")
	errNoVersion = errors.New("an update needs the version that was read")
	errBody      = errors.New("the body is not the resource that is to be updated")
	errSigning   = errors.New("the assertion cannot be signed with this key")
	errNoToken   = errors.New("the answer holds no bearer token")
)

// Read gives the current version of a resource; ref.Version is not looked at, because history is optional in FHIR.
// Where the body has no meta.versionId, the version of the ETag is put there, and the resource is otherwise as
// received. A resource that is gone is an *Error with status 404 or 410.
func (c *Client) Read(ctx context.Context, ref fhir.Reference) (fhir.Resource, error) {
	if err := addressable(ref); err != nil {
		return fhir.Resource{}, fmt.Errorf("read: %w", err)
	}
	r := request{call: "read " + ref.Type, method: http.MethodGet, url: c.base.JoinPath(ref.Type, ref.ID),
		typ: ref.Type, interaction: 'r'}
	answer, err := c.read(ctx, r)
	if err != nil {
		return fhir.Resource{}, err
	}
	out, err := resourceOf(r, answer)
	if err != nil {
		return fhir.Resource{}, err
	}
	if out.Type() != ref.Type || out.ID() != ref.ID {
		return fhir.Resource{}, &Error{Call: r.call, Status: answer.StatusCode(), cause: errOther}
	}
	if version := fhir.VersionOfETag(answer.Header().Get("ETag")); out.VersionID() == "" && version != "" {
		return fhir.Parse(withVersion(out, version))
	}
	return out, nil
}

// Update replaces a resource with body, if it still is at ref.Version (If-Match), and gives the new version; that is
// empty where the server does not tell it. It is sent once (twice after a 401, which comes before any change): see
// Error.Conflict and Error.Ambiguous for what a failure means.
func (c *Client) Update(ctx context.Context, ref fhir.Reference, body []byte) (fhir.Reference, error) {
	if err := checkUpdate(ref, body); err != nil {
		return fhir.Reference{}, fmt.Errorf("update: %w", err)
	}
	r := request{call: "update " + ref.Type, method: http.MethodPut, url: c.base.JoinPath(ref.Type, ref.ID), body: body,
		typ: ref.Type, interaction: 'u'}
	r.header = map[string]string{"If-Match": ref.ETag(), "Prefer": "return=representation"}
	answer, err := c.send(ctx, r)
	if err != nil {
		return fhir.Reference{}, err
	}
	// A crash here leaves the update done and unknown: the next read shows it.
	now := ref.Current()
	if len(answer.Body()) > 0 {
		out, err := resourceOf(r, answer)
		if err != nil {
			return fhir.Reference{}, err
		}
		if out.Type() == ref.Type && out.ID() == ref.ID {
			now.Version = out.VersionID()
		}
	}
	if now.Version == "" {
		now.Version = versionOf(answer)
	}
	return now, nil
}

// versionOf gives the version that the headers tell: ETag, or Location with /_history/ in it.
func versionOf(answer *resty.Response) string {
	if version := fhir.VersionOfETag(answer.Header().Get("ETag")); version != "" {
		return version
	}
	location, err := fhir.ParseReference(answer.Header().Get("Location"))
	if err != nil {
		return ""
	}
	return location.Version
}

func checkUpdate(ref fhir.Reference, body []byte) error {
	if err := addressable(ref); err != nil {
		return err
	}
	if !idPattern().MatchString(ref.Version) {
		return errNoVersion
	}
	r, err := fhir.Parse(body)
	if err != nil || r.Type() != ref.Type || r.ID() != ref.ID {
		return errBody
	}
	return nil
}

// addressable refuses what would not name one resource in a URL; "." and ".." are ids by the pattern of FHIR.
func addressable(ref fhir.Reference) error {
	if !typePattern().MatchString(ref.Type) {
		return errType
	}
	if !idPattern().MatchString(ref.ID) || strings.Trim(ref.ID, ".") == "" {
		return errID
	}
	return nil
}

// withVersion writes a resource anew with meta.versionId.
func withVersion(r fhir.Resource, version string) []byte {
	out := []byte("{")
	for m := range r.Root().Members() {
		if m.Name() != "meta" {
			out = appendMember(out, m)
		}
	}
	out = append(out, `"meta":{`...)
	for m := range r.Root().Get("meta").Members() {
		if m.Name() != "versionId" {
			out = appendMember(out, m)
		}
	}
	return append(fhir.AppendJSONString(append(out, `"versionId":`...), version), '}', '}')
}

func appendMember(out []byte, m fhir.Node) []byte {
	out = append(fhir.AppendJSONString(out, m.Name()), ':')
	return append(append(out, m.Raw()...), ',')
}
