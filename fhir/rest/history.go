package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"refbridge/fhir"
)

// Deleted reports whether the newest entry in the history of a resource is its deletion. Its error says that the server
// keeps no history, or does not show it.
func (c *Client) Deleted(ctx context.Context, ref fhir.Reference) (bool, error) {
	if err := addressable(ref); err != nil {
		return false, fmt.Errorf("history: %w", err)
	}
	at := c.base.JoinPath(ref.Type, ref.ID, "_history")
	at.RawQuery = "_count=1"
	r := request{call: "history " + ref.Type, method: http.MethodGet, url: at}
	answer, err := c.read(ctx, r)
	if err != nil {
		return false, err
	}
	bundle, err := resourceOf(r, answer)
	if err != nil {
		return false, err
	}
	if bundle.Type() != "Bundle" || bundle.Root().Get("type").Text() != "history" {
		return false, &Error{Call: r.call, Status: answer.StatusCode(), cause: errOther}
	}
	for entry := range bundle.Root().Get("entry").Items() {
		asked := entry.Get("request")
		about := ref.Type + "/" + ref.ID
		url, _, _ := strings.Cut(asked.Get("url").Text(), "/_history")
		return asked.Get("method").Text() == http.MethodDelete && (url == about || strings.HasSuffix(url, "/"+about)), nil
	}
	return false, nil
}
