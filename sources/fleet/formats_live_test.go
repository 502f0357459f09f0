package fleet

import (
	"encoding/json"
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
)

// testFormatsFollowed: whatever the format, a Secret's cluster joins, gets other
// credentials and limits, is paused and goes on, keeps what it was while the
// Secret is no use, has its name for itself, and leaves.
func testFormatsFollowed(t *testing.T, h *hubEnv) {
	argo := func(token string) string {
		data, err := json.Marshal(map[string]any{"bearerToken": token})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	plain := func(token string) string {
		return strings.Replace(kubeconfig("it"), secret+"-it", token, 1)
	}
	for _, tc := range []struct {
		format, object, label, value string
		key                          string // what holds the credentials
		data                         func(token string) string
		more                         map[string]string
		bad, reason                  string
	}{
		{"kubeconfig", "it", labelOwn, "true", "kubeconfig", plain, nil, "{", `key "kubeconfig" is not valid YAML`},
		{"capi", "it-kubeconfig", labelCAPI, "it", "value", plain, nil, "{", `key "value" is not valid YAML`},
		{"multicluster-runtime", "it", labelMCR, "true", "kubeconfig", plain, nil, "{", `key "kubeconfig" is not valid YAML`},
		{
			"argocd", "cluster-it", labelArgo, "cluster", "config", argo,
			map[string]string{"name": "it", "server": "https://it.example"}, "{", `key "config" is not JSON`,
		},
	} {
		t.Run(tc.format, func(t *testing.T) {
			ns := h.NewNamespace(t)
			l := startLive(t, h.Config(), ParseOptions{}, "secrets:"+ns+"?format="+tc.format)
			data := map[string]string{tc.key: tc.data(secret)}
			for key, value := range tc.more {
				data[key] = value
			}
			h.create(t, newSecret(ns, tc.object, tc.label, tc.value, data))
			l.untilNames("it")
			token := func(want string) func() bool {
				return func() bool { return l.member("it").REST.BearerToken == want }
			}
			l.until("the token", token(secret))

			h.set(t, ns, tc.object, tc.key, tc.data(secret+"2"))
			l.until("another token", token(secret+"2"))
			mark := l.member("it").Fingerprint

			for name, value := range map[string]string{annotationQPS: "5", annotationSnapshotQPS: "8", annotationBurst: "6", annotationWeight: "7", annotationPaused: "true",
				annotationMaxObjects: "9", annotationMaxLedgerBytes: "10Ki"} {
				h.annotate(t, ns, tc.object, name, value)
			}
			is := func(want Limits) func() bool { return func() bool { return l.member("it").Limits.Equal(want) } }
			l.until("limits", is(Limits{QPS: new(5.0), SnapshotQPS: new(8.0), Burst: new(6), Weight: new(7), MaxObjects: new(9), MaxLedgerBytes: new(int64(10 << 10)), Paused: true}))
			h.annotate(t, ns, tc.object, annotationPaused, "false")
			l.until("it goes on", is(Limits{QPS: new(5.0), SnapshotQPS: new(8.0), Burst: new(6), Weight: new(7), MaxObjects: new(9), MaxLedgerBytes: new(int64(10 << 10))}))
			if l.member("it").Fingerprint != mark {
				t.Error("limits make the connection anew")
			}

			// A bystander, and one that claims the name: neither is of concern.
			other := map[string]string{tc.key: tc.data(secret + "3")}
			for key, value := range tc.more {
				other[key] = value
			}
			claim := newSecret(ns, "claims-"+tc.object, tc.label, tc.value, other)
			claim.Annotations = map[string]string{annotationName: "it"}
			if tc.format == "capi" { // its names follow from the label
				claim.Name, claim.Labels[labelCAPI] = "claim-kubeconfig", "claim"
			}
			h.create(t, claim)
			l.untilProblem(`cluster "it" is described by Secret ` + ns + "/" + tc.object)
			if !token(secret + "2")() {
				t.Error("the claim is in use")
			}
			h.untilEvents(t, ns, claim.Name, func(e map[string]eventsv1.Event) bool { return e[eventNameTaken].Type == "Warning" })
			h.delete(t, ns, claim.Name)
			l.untilNoProblem()

			h.set(t, ns, tc.object, tc.key, tc.bad)
			l.untilProblem("Secret " + ns + "/" + tc.object + ": " + tc.reason)
			if l.names() != "it" || !token(secret+"2")() {
				t.Error("the last good description is not kept")
			}
			h.untilEvents(t, ns, tc.object, func(e map[string]eventsv1.Event) bool { return strings.Contains(e[eventUnusable].Note, tc.reason) })
			h.set(t, ns, tc.object, tc.key, tc.data(secret+"4"))
			l.until("the next good one", token(secret+"4"))
			l.untilNoProblem()

			h.delete(t, ns, tc.object)
			l.untilNames("")
			if calls := l.told(); calls[len(calls)-1] != "remove it" {
				t.Errorf("calls %v", calls)
			}
		})
	}
}
