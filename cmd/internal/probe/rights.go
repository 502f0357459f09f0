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

// most bounds for how many resources a member is asked.
const most = 50

// Followed is a resource that is followed.
type Followed struct {
	schema.GroupResource
	Namespace string // empty: all
	Fields    string // the field selector
}

// rights asks which of the specs the member serves, and whether what they and q.Followed
// stand for may be listed and watched. Several questions are under way at once.
func rights(ctx context.Context, q Question, p *api.MemberProbe) error {
	catalog := stream.NewCatalog(q.Session)
	var asked []Followed
	var served []schema.GroupVersionResource // of those among asked that specs stand for
	for _, spec := range q.Specs[:min(len(q.Specs), most)] {
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
		asked, served = append(asked, Followed{what.GroupResource(), spec.Namespace, spec.Fields}), append(served, what)
	}
	asked = append(asked, q.Followed[:min(len(q.Followed), most)]...)
	all, err := inParallel(ctx, len(asked), func(ctx context.Context, i int) (api.Denied, error) {
		return follows(ctx, q.Session, asked[i])
	})
	for _, denied := range all {
		if len(denied.Verbs) > 0 {
			p.Denied = append(p.Denied, denied)
		}
	}
	if err != nil {
		return err
	}
	for i, what := range served {
		if q.Lists && p.StreamingLists == nil && len(all[i].Verbs) == 0 {
			p.StreamingLists = streams(ctx, q.Session, what, asked[i].Namespace)
		}
	}
	return nil
}

// follows asks whether a resource may be listed and watched, and returns what may not. All may if
// the member does not tell.
func follows(ctx context.Context, s *member.Session, f Followed) (api.Denied, error) {
	denied := api.Denied{Resource: f.GroupResource.String(), Namespace: f.Namespace}
	for _, verb := range []string{"list", "watch"} {
		allowed, why, err := may(ctx, s, f, verb)
		switch apistatus.Of(err).Meaning {
		case apistatus.Forbidden, apistatus.NotFound, apistatus.Rejected:
			return api.Denied{}, nil // the stream finds it out
		}
		if err != nil {
			return api.Denied{}, fmt.Errorf("ask for the right to %s %s: %w", verb, f.GroupResource, err)
		}
		if !allowed {
			denied.Verbs, denied.Why = append(denied.Verbs, verb), redact.Line(why, mostText)
		}
	}
	return denied, nil
}

// may asks whether the session's user may do something with a resource.
func may(ctx context.Context, s *member.Session, f Followed, verb string) (allowed bool, why string, err error) {
	asked := authorizationv1.SelfSubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authorizationv1.SchemeGroupVersion.String(), Kind: "SelfSubjectAccessReview"},
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: f.Namespace, Verb: verb, Group: f.Group, Resource: f.Resource, Name: nameIn(f.Fields),
		}},
	}
	body, err := json.Marshal(asked)
	if err != nil {
		return false, "", err
	}
	result := s.Calls.Post().AbsPath("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").MaxRetries(0).
		SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").Body(body).Do(ctx)
	if err := result.Error(); err != nil { // which has what the server says; that of Raw has not
		return false, "", err
	}
	said, err := result.Raw()
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
