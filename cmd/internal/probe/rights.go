package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// mostSpecs bounds for how many specs a member is asked.
const mostSpecs = 50

// rights asks for each spec whether the member serves the resource, and whether it may be
// listed and watched.
func rights(ctx context.Context, q Question, p *api.MemberProbe) error {
	catalog := stream.NewCatalog(q.Session)
	for _, spec := range q.Specs[:min(len(q.Specs), mostSpecs)] {
		if spec.Wildcard() {
			continue
		}
		what, err := catalog.Resolve(ctx, spec)
		if errors.Is(err, stream.ErrNotServed) {
			p.Unserved = append(p.Unserved, api.Unserved{Resource: spec.String(), Why: redact.Line(q.Session.Redact(err), mostText)})
			continue
		}
		if err != nil {
			return fmt.Errorf("find %s: %w", spec, err)
		}
		denied := api.Denied{Resource: what.GroupResource().String(), Namespace: spec.Namespace}
		for _, verb := range []string{"list", "watch"} {
			allowed, why, err := may(ctx, q.Session, spec, what, verb)
			switch apistatus.Of(err).Meaning {
			case apistatus.Forbidden, apistatus.NotFound, apistatus.Rejected:
				return nil // it does not tell; whether it allows it, the stream finds out
			}
			if err != nil {
				return fmt.Errorf("ask whether %s may be %sed: %w", what.GroupResource(), verb, err)
			}
			if !allowed {
				denied.Verbs, denied.Why = append(denied.Verbs, verb), redact.Line(why, mostText)
			}
		}
		switch {
		case len(denied.Verbs) > 0:
			p.Denied = append(p.Denied, denied)
		case q.Lists && p.StreamingLists == nil:
			p.StreamingLists = streams(ctx, q.Session, what, spec.Namespace)
		}
	}
	return nil
}

// may asks whether the session's user may do something with a resource.
func may(ctx context.Context, s *member.Session, spec stream.Spec, what schema.GroupVersionResource, verb string) (allowed bool, why string, err error) {
	asked := authorizationv1.SelfSubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authorizationv1.SchemeGroupVersion.String(), Kind: "SelfSubjectAccessReview"},
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: spec.Namespace, Verb: verb, Group: what.Group, Version: what.Version, Resource: what.Resource, Name: nameIn(spec.Fields),
		}},
	}
	body, err := json.Marshal(asked)
	if err != nil {
		return false, "", err
	}
	said, err := s.Calls.Post().AbsPath("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").MaxRetries(0).
		SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").Body(body).Do(ctx).Raw()
	if err != nil {
		return false, "", err
	}
	var answer authorizationv1.SelfSubjectAccessReview
	if err := json.Unmarshal(said, &answer); err != nil {
		return false, "", errors.New("the answer is no SelfSubjectAccessReview")
	}
	return answer.Status.Allowed, answer.Status.Reason, nil
}

// nameIn returns the name that a field selector asks for; an API server asks for the right
// to that alone.
func nameIn(selector string) string {
	parsed, err := fields.ParseSelector(selector)
	if err != nil {
		return ""
	}
	name, _ := parsed.RequiresExactMatch("metadata.name")
	return name
}

// streams reports whether a streaming list is served, by one that selects nothing; nil: it
// is not known.
func streams(ctx context.Context, s *member.Session, what schema.GroupVersionResource, namespace string) *bool {
	path := []string{"apis", what.Group, what.Version}
	if what.Group == "" {
		path = []string{"api", what.Version}
	}
	if namespace != "" {
		path = append(path, "namespaces", namespace)
	}
	u := s.Server.JoinPath(append(path, what.Resource)...)
	u.RawQuery = url.Values{
		"watch": {"true"}, "sendInitialEvents": {"true"}, "allowWatchBookmarks": {"true"}, "resourceVersionMatch": {"NotOlderThan"},
		"labelSelector": {"fairlead.dev/none=none"}, "timeoutSeconds": {"1"},
	}.Encode()
	if err := s.Limiter.Wait(ctx); err != nil {
		return nil
	}
	resp, err := get(ctx, s.WatchTransport, u)
	if err != nil {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
		return new(true)
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return new(false)
	}
	return nil
}
