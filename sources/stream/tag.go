package stream

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// tagTimeout bounds the question whether anything has changed.
const tagTimeout = 30 * time.Second

// untaggedEvery is how often at most everything is read of a member whose discovery has no
// tag: it is a document for each group and version there. It is less than the shortest pause
// between two looks of DefaultSurveyInterval: with that, each look reads.
const untaggedEvery = 25 * time.Second

// acceptDiscovery asks for all groups in one document, which alone has a tag of all that
// is served. Servers that do not have it tell of their groups only.
const acceptDiscovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"

// sameTag asks the member for the entity tag of what discovery tells, and reports whether
// it is the one of last time. Nothing is read for that but the head of the answer. Servers
// without aggregated discovery, before Kubernetes 1.26, have none, and everything is read
// again after untaggedEvery. On every error it is not the same: whoever reads everything finds
// out why. The tag is asked for before everything is read, so that no change falls between.
func (s *Survey) sameTag(ctx context.Context) (tag string, same bool) {
	if s.session.CallTransport == nil || s.session.Server == nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, tagTimeout)
	defer cancel()
	if l := s.session.Limiter; l != nil && l.Wait(ctx) != nil {
		return "", false
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.session.Server.JoinPath("/apis").String(), http.NoBody)
	if err != nil {
		return "", false
	}
	r.Header.Set("Accept", acceptDiscovery)
	if s.tag != "" {
		r.Header.Set("If-None-Match", s.tag)
	}
	answer, err := s.session.CallTransport.RoundTrip(r)
	if err != nil {
		return "", false
	}
	_ = answer.Body.Close()
	switch tag = answer.Header.Get("Etag"); answer.StatusCode {
	case http.StatusNotModified:
		return s.tag, s.tag != ""
	case http.StatusOK:
		// What is in front of a server may tag its list of groups, which stays as it is
		// when a group has another resource.
		if tag != "" && strings.Contains(answer.Header.Get("Content-Type"), "as=APIGroupDiscoveryList") {
			return tag, tag == s.tag
		}
	case http.StatusNotAcceptable:
	default:
		return "", false
	}
	return "", time.Since(s.readAt) < untaggedEvery && s.inventory != nil
}
