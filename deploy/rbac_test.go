package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// The account of the Pod has the rights of these roles, and each folder has the
// bindings that its flags ask for and no other.
func TestRightsFollowTheFlags(t *testing.T) {
	account := named[*corev1.ServiceAccount](t, "base", "fairlead")
	if got := named[*corev1.ServiceAccount](t, "member", "fairlead"); got.Namespace != account.Namespace {
		t.Errorf("the member's account is in namespace %s", got.Namespace)
	}
	read := []string{"get", "list", "watch"}
	events := rbacv1.PolicyRule{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}}
	identity := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}}}
	lease := []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "update"}, ResourceNames: []string{"fairlead"}},
	}
	member := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: read},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: read},
	}
	own := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps", "pods"}, Verbs: read},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: read},
	}
	want := map[string]map[string][]rbacv1.PolicyRule{ // by folder and role
		"base":        {},
		"hub-secrets": {"fairlead-clusters/fairlead-clusters": {{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: read}, events}},
		"hub-clusterprofiles": {"fairlead/fairlead-clusterprofiles": {
			{APIGroups: []string{"multicluster.x-k8s.io"}, Resources: []string{"clusterprofiles"}, Verbs: read}, events,
		}},
		"hub-records": {"fairlead-records/fairlead-records": {
			{APIGroups: []string{"records.fairlead.dev"}, Resources: []string{"records"}, Verbs: []string{"create", "patch", "list", "delete"}},
		}},
		"hub-memberclusters": {"fairlead-members/fairlead-members": {
			{APIGroups: []string{"fairlead.dev"}, Resources: []string{"memberclusters"}, Verbs: []string{"get", "list", "create", "delete"}},
			{APIGroups: []string{"fairlead.dev"}, Resources: []string{"memberclusters/status"}, Verbs: []string{"patch"}},
		}},
		"leader-election": {"fairlead/fairlead-leader-election": lease},
		"leader-label": {"fairlead/fairlead-leader-election": lease, "fairlead/fairlead-leader-label": {
			{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "patch"}},
		}},
		"member": {"/fairlead-member": member, "/fairlead-identity": identity},
		"member-everything": {"/fairlead-member": member, "/fairlead-identity": identity, "/fairlead-everything": {
			{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"list", "watch"}},
		}},
		"voter":          {"/fairlead-member": member, "/fairlead-identity": identity, "fairlead/fairlead-voter": lease},
		"example/member": {"/fairlead-member": own, "/fairlead-identity": identity},
		"example/hub":    {"/fairlead-member": own, "/fairlead-identity": identity, "fairlead/fairlead-leader-election": lease},
	}
	// RBAC is the same with one role as with two.
	want["chart/member-everything"] = map[string][]rbacv1.PolicyRule{"/fairlead-identity": identity, "/fairlead-member": slices.Concat(
		member[:1], want["member-everything"]["/fairlead-everything"], member[1:])}
	for _, folder := range withCharts(slices.Concat(hubFolders, memberFolders)...) {
		got := granted(t, render(t, folder), account)
		expected, ok := want[folder]
		if !ok {
			expected = want[strings.TrimPrefix(folder, "chart/")]
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s: rights of %s (-want +got):\n%s", folder, account.Name, diff)
		}
		for role, rules := range got {
			for _, rule := range rules {
				if mayRun(rule) {
					t.Errorf("%s: %s may do more than read: %v of %v includes pods/exec and nodes/proxy", folder, role, rule.Verbs, rule.Resources)
				}
			}
		}
	}
}

// mayRun reports whether a rule lets its account run commands: a resource that is a
// pattern includes subresources, of which get is enough for that.
func mayRun(rule rbacv1.PolicyRule) bool {
	isPattern := func(resource string) bool { return strings.Contains(resource, "*") }
	isRead := func(verb string) bool { return verb == "list" || verb == "watch" }
	return slices.ContainsFunc(rule.Resources, isPattern) && slices.ContainsFunc(rule.Verbs, func(verb string) bool { return !isRead(verb) })
}

// granted returns the rules of all roles that are bound to the account, by namespace
// and name, and complains about bindings of others.
func granted(t *testing.T, objects []runtime.Object, account *corev1.ServiceAccount) map[string][]rbacv1.PolicyRule {
	t.Helper()
	rules, bound := map[string][]rbacv1.PolicyRule{}, map[string]bool{}
	bind := func(name string, subjects []rbacv1.Subject) {
		bound[name] = true
		want := []rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: account.Namespace}}
		if diff := cmp.Diff(want, subjects); diff != "" {
			t.Errorf("who is bound to %s (-want +got):\n%s", name, diff)
		}
	}
	for _, object := range objects {
		switch o := object.(type) {
		case *rbacv1.ClusterRole:
			rules["/"+o.Name] = o.Rules
		case *rbacv1.Role:
			rules[o.Namespace+"/"+o.Name] = o.Rules
		case *rbacv1.ClusterRoleBinding:
			bind("/"+o.RoleRef.Name, o.Subjects)
		case *rbacv1.RoleBinding:
			bind(o.Namespace+"/"+o.RoleRef.Name, o.Subjects)
		}
	}
	for name := range rules {
		if !bound[name] {
			t.Errorf("role %s is bound to nobody", name)
		}
	}
	return rules
}

// What is watched may be read in a member, and nothing else.
func TestRolesAreInStepWithWatch(t *testing.T) {
	for hub, member := range map[string]string{
		"base": "member", "example/hub": "example/member", "chart/base": "chart/member", "chart/example/hub": "chart/example/member",
	} {
		readable := map[string]bool{}
		for _, rule := range named[*rbacv1.ClusterRole](t, member, "fairlead-member").Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					readable[strings.TrimSuffix(resource+"."+group, ".")] = true
				}
			}
		}
		watched := map[string]bool{}
		_, c := pod(t, hub)
		for _, value := range flagsOf(c, "watch") {
			resources, _, _ := strings.Cut(value, "?")
			for resource := range strings.SplitSeq(resources, ",") {
				watched[resource] = true
			}
		}
		if diff := cmp.Diff(watched, readable); diff != "" {
			t.Errorf("%s and %s (-watched +readable):\n%s", hub, member, diff)
		}
	}
}
