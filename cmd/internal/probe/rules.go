package probe

import (
	"context"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// A member can be asked in one question for all that its user may do in a namespace. What it
// lists is allowed. What it does not list may be allowed too: by an authorizer that cannot list.
// So it spares questions, and answers none with no.

// everywhere is the namespace that is named in a question about all: the review wants one. No
// namespace has a dot in its name, so nobody can bind a Role in this one, and what is allowed
// there is what ClusterRoleBindings allow everywhere.
const everywhere = "fairlead.dev"

// mostNamespaces bounds of how many namespaces a member is asked for all that is allowed.
const mostNamespaces = 8

// unclear returns those of some resources of which the member does not say, in one answer for each
// namespace, that they may be listed and watched.
func unclear(ctx context.Context, s *member.Session, asked []Followed) (open []Followed) {
	rules := map[string][]authorizationv1.ResourceRule{}
	for _, f := range asked {
		known, ok := rules[f.Namespace]
		if !ok && len(rules) < mostNamespaces {
			known = rulesIn(ctx, s, f.Namespace)
			rules[f.Namespace] = known
		}
		if !allow(known, f, "list") || !allow(known, f, "watch") {
			open = append(open, f)
		}
	}
	return open
}

// rulesIn asks for all that is allowed in a namespace, or (empty) in all; none if the member does
// not tell.
func rulesIn(ctx context.Context, s *member.Session, namespace string) []authorizationv1.ResourceRule {
	if namespace == "" {
		namespace = everywhere
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	asked := authorizationv1.SelfSubjectRulesReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authorizationv1.SchemeGroupVersion.String(), Kind: "SelfSubjectRulesReview"},
		Spec:     authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}
	var answer authorizationv1.SelfSubjectRulesReview
	if err := review(ctx, s, "selfsubjectrulesreviews", asked, &answer); err != nil {
		return nil // whoever is asked one by one finds it out
	}
	return answer.Status.ResourceRules
}

// allow reports whether one of the rules allows something with all objects of a resource.
func allow(rules []authorizationv1.ResourceRule, f Followed, verb string) bool {
	has := func(all []string, one string) bool { return slices.Contains(all, one) || slices.Contains(all, "*") }
	return slices.ContainsFunc(rules, func(r authorizationv1.ResourceRule) bool {
		return len(r.ResourceNames) == 0 && has(r.Verbs, verb) && has(r.APIGroups, f.Group) && has(r.Resources, f.Resource)
	})
}
