package probe

import (
	"context"
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

// Bounds of what one member is asked: how many specs are looked up, of how many resources it is
// asked one by one whether they may be followed, and how many are listed until it is known whether
// it serves streaming lists.
const (
	mostSpecs = 500
	most      = 50
	mostTries = 3
)

// Followed is a resource that is followed.
type Followed struct {
	schema.GroupResource
	Namespace string // empty: all
	Fields    string // the field selector
}

// rights asks which of the specs the member serves, and whether what they and q.Followed
// stand for may be listed and watched. Where that are many, it is first asked once for all that is
// allowed, and one by one only about the rest, and about some of what it allows if it says that it
// does not tell all. Several questions are under way at once.
func rights(ctx context.Context, q Question, p *api.MemberProbe) error {
	catalog := stream.NewCatalog(q.Session)
	asked, served, err := q.resources(ctx, catalog, p)
	if err != nil {
		return err
	}
	asked = append(asked, q.Followed...)
	open := asked
	if len(asked) > most {
		var doubtful []Followed
		open, doubtful = unclear(ctx, q.Session, asked)
		open = append(open, doubtful...)
	}
	p.Unasked += max(0, len(open)-most)
	open = open[:min(len(open), most)]
	all, err := inParallel(ctx, len(open), func(ctx context.Context, i int) (api.Denied, error) {
		return follows(ctx, q.Session, open[i])
	})
	denied := map[Followed]bool{}
	for i, one := range all {
		if len(one.Verbs) > 0 {
			denied[open[i]] = true
			p.Denied = append(p.Denied, one)
		}
	}
	if err != nil {
		return err
	}
	tries := 0 // of what may be followed, as far as is known
	for i, spec := range served {
		if !q.Lists || p.StreamingLists != nil || tries == mostTries {
			break
		}
		if denied[asked[i]] {
			continue
		}
		tries++
		if what, err := catalog.Resolve(ctx, spec); err == nil {
			p.StreamingLists = streams(ctx, q.Session, what, asked[i].Namespace)
		}
	}
	return nil
}

// resources returns what the specs stand for in the member, and for each the spec. It notes which
// are not served.
func (q *Question) resources(ctx context.Context, catalog *stream.Catalog, p *api.MemberProbe) (asked []Followed, served []stream.Spec, err error) {
	named, wildcards := stream.Split(q.Specs)
	if more := len(named) - mostSpecs; more > 0 {
		p.Unasked += more
		named = named[:mostSpecs]
	}
	for _, spec := range named {
		what, err := catalog.Resolve(ctx, spec)
		if errors.Is(err, stream.ErrNotServed) {
			p.Unserved = append(p.Unserved, api.Unserved{Resource: spec.String(), Why: redact.Line(q.Session.Redact(err), mostText)})
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("find %s: %w", spec, err)
		}
		asked, served = append(asked, Followed{what.GroupResource(), spec.Namespace, spec.Fields}), append(served, spec)
	}
	if len(wildcards) == 0 {
		return asked, served, nil
	}
	all, more, err := catalog.Expand(ctx, named, wildcards, q.Excluded, q.MaxStreams)
	if err != nil {
		return nil, nil, fmt.Errorf("find what %s stands for: %w", wildcards[0], err)
	}
	p.Unasked += more
	for _, f := range all {
		group := schema.GroupResource{Group: f.Spec.Group, Resource: f.Spec.Resource}
		asked, served = append(asked, Followed{group, f.Spec.Namespace, f.Spec.Fields}), append(served, f.Spec)
	}
	return asked, served, nil
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
	var answer struct {
		Status struct {
			Allowed bool   `json:"allowed"`
			Reason  string `json:"reason"`
		} `json:"status"`
	}
	if err := review(ctx, s, "selfsubjectaccessreviews", asked, &answer); err != nil {
		return false, "", err
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
