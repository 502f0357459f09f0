package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// A member can be asked in one question for all that its user may do in a namespace. What it
// lists is allowed, unless it says that the list is not complete: then another authorizer, such as
// a webhook that is asked before RBAC, may forbid some of it. What it does not list may be allowed
// too: by an authorizer that cannot list. So it spares questions, and answers none with no.

// everywhere is the namespace that is named in a question about all: the review wants one. No
// namespace has a dot in its name, so nobody can bind a Role in this one, and what is allowed
// there is what ClusterRoleBindings allow everywhere.
const everywhere = "fairlead.dev"

// mostNamespaces bounds of how many namespaces a member is asked for all that is allowed.
const mostNamespaces = 8

// mostRules bounds how many rules are read of one answer.
const mostRules = 10_000

// rules are what a member says is allowed in a namespace.
type rules struct {
	Listed     ruleList `json:"resourceRules"`
	Incomplete bool     `json:"incomplete"`
}

type ruleList []authorizationv1.ResourceRule

// UnmarshalJSON implements json.Unmarshaler. It fails if there are more than mostRules, before it
// has room for them.
func (l *ruleList) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if begin, err := d.Token(); begin != json.Delim('[') {
		return err // null, or no rules
	}
	for d.More() {
		if len(*l) == mostRules {
			return fmt.Errorf("there are more than %d rules", mostRules)
		}
		var r authorizationv1.ResourceRule
		if err := d.Decode(&r); err != nil {
			return err
		}
		*l = append(*l, r)
	}
	return nil
}

// unclear returns those of some resources of which the member does not say, in one answer for each
// namespace, that they may be listed and watched; and those of which it says so, and that its answer
// is not complete.
func unclear(ctx context.Context, s *member.Session, asked []Followed) (open, doubtful []Followed) {
	all := map[string]rules{}
	for i, f := range asked {
		if ctx.Err() != nil {
			return append(open, asked[i:]...), doubtful
		}
		known, ok := all[f.Namespace]
		if !ok && len(all) < mostNamespaces {
			known = rulesIn(ctx, s, f.Namespace)
			all[f.Namespace] = known
		}
		switch {
		case !known.allow(ctx, f, "list") || !known.allow(ctx, f, "watch"):
			open = append(open, f)
		case known.Incomplete:
			doubtful = append(doubtful, f)
		}
	}
	return open, doubtful
}

// rulesIn asks for all that is allowed in a namespace, or (empty) in all; none if the member does
// not tell.
func rulesIn(ctx context.Context, s *member.Session, namespace string) rules {
	if namespace == "" {
		namespace = everywhere
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	asked := authorizationv1.SelfSubjectRulesReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authorizationv1.SchemeGroupVersion.String(), Kind: "SelfSubjectRulesReview"},
		Spec:     authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}
	var answer struct {
		Status rules `json:"status"`
	}
	if err := review(ctx, s, "selfsubjectrulesreviews", asked, &answer); err != nil {
		return rules{} // whoever is asked one by one finds it out
	}
	return answer.Status
}

// allow reports whether one of the rules allows something with all objects of a resource. Once ctx
// ends none does.
func (r *rules) allow(ctx context.Context, f Followed, verb string) bool {
	has := func(all []string, one string) bool { return slices.Contains(all, one) || slices.Contains(all, "*") }
	return slices.ContainsFunc(r.Listed, func(r authorizationv1.ResourceRule) bool {
		return ctx.Err() == nil && len(r.ResourceNames) == 0 && has(r.Verbs, verb) && has(r.APIGroups, f.Group) && has(r.Resources, f.Resource)
	})
}
