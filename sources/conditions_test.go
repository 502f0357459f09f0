package sources

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	states "github.com/fairlead-dev/fairlead/sources/member"
)

func TestConditions(t *testing.T) {
	now := time.Unix(10000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	live := StreamStatus{Stream: "pods", Resource: "pods", State: states.Live, Since: ago(time.Hour)}
	waits := func(d time.Duration) StreamStatus {
		s := live
		s.Routes = []RouteStatus{{Route: "file:x", OldestUnacked: ago(d)}, {Route: "stdout:"}}
		return s
	}
	is := func(state states.State, reason, lastError string) ConnectionStatus {
		return ConnectionStatus{Cluster: "a", State: state, Reason: reason, LastError: lastError, Since: ago(time.Minute)}
	}
	for name, tc := range map[string]struct {
		of      MemberStatus
		want    string // status and reason of each
		message string // of one of them
	}{
		"new":             {MemberStatus{Connection: is(states.Connecting, "dialing", "")}, "Unknown Dialing, False NotReachable, False NotSynced", ""},
		"live":            {MemberStatus{Connection: is(states.Live, "", "old"), Streams: []StreamStatus{live}}, "True Answers, True Synced, True Fresh", "1 streams are live"},
		"down":            {MemberStatus{Connection: is(states.BackingOff, "cannot connect", "connection refused"), Streams: []StreamStatus{{State: states.Connecting, Stream: "pods"}}}, "False CannotConnect, False Connecting, False NotSynced", "connection refused"},
		"suspect":         {MemberStatus{Connection: is(states.Stale, "a call failed, probing", ""), Streams: []StreamStatus{live}}, "Unknown ACallFailedProbing, True Synced, False NotReachable", ""},
		"paused":          {MemberStatus{Connection: is(states.Paused, "paused", "")}, "Unknown Paused, False NotReachable, False NotSynced", ""},
		"syncing":         {MemberStatus{Connection: is(states.Live, "", ""), Streams: []StreamStatus{live, {Resource: "secrets", State: states.Syncing, Reason: "first", LastError: "old"}}}, "True Answers, False Syncing, False NotSynced", "1 of 2 streams are not live: secrets is syncing: first"},
		"forbidden":       {MemberStatus{Connection: is(states.Live, "", ""), Streams: []StreamStatus{{Stream: "secrets", State: states.Waiting, Reason: "forbidden", LastError: "list secrets: no"}, live}}, "True Answers, False Waiting, False NotSynced", "secrets is waiting: list secrets: no"},
		"survey":          {MemberStatus{Connection: is(states.Live, "", ""), Streams: []StreamStatus{live}, Survey: &SurveyStatus{State: states.BackingOff, LastError: "discovery failed"}}, "True Answers, False Surveying, False NotSynced", "discovery failed"},
		"nothing":         {MemberStatus{Connection: is(states.Live, "", ""), Survey: &SurveyStatus{State: states.Live}}, "True Answers, True NothingToFollow, True Fresh", ""},
		"silent":          {MemberStatus{Connection: ConnectionStatus{State: states.Live, StaleStreams: []string{"pods"}}, Streams: []StreamStatus{live}}, "True Answers, True Synced, False Silent", "pods"},
		"waits":           {MemberStatus{Connection: is(states.Live, "", ""), Streams: []StreamStatus{waits(2 * time.Minute), waits(time.Hour)}}, "True Answers, True Synced, False Waiting", "changes wait for longer than 1m0s for file:x"},
		"waits a while":   {MemberStatus{Connection: is(states.Live, "", ""), Streams: []StreamStatus{waits(time.Minute)}}, "True Answers, True Synced, True Fresh", ""},
		"hostile message": {MemberStatus{Connection: is(states.BackingOff, "<b>\x1b ü", strings.Repeat("x\n", 4000))}, "False B, False NotReachable, False NotSynced", "..."},
	} {
		t.Run(name, func(t *testing.T) {
			var got, messages []string
			for i, c := range tc.of.Conditions(now) {
				if want := []string{ConditionReachable, ConditionSynced, ConditionFresh}[i]; c.Type != want {
					t.Errorf("condition %d is %s, want %s", i, c.Type, want)
				}
				got = append(got, string(c.Status)+" "+c.Reason)
				messages = append(messages, c.Message)
				if len(c.Message) > 1024 || strings.ContainsAny(c.Message, "\n\x1b") {
					t.Errorf("message %q", c.Message)
				}
			}
			if got := strings.Join(got, ", "); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
			if all := strings.Join(messages, "|"); !strings.Contains(all, tc.message) {
				t.Errorf("%q, want %q in it", all, tc.message)
			}
		})
	}
	first := (&MemberStatus{Connection: is(states.Live, "", ""), Streams: []StreamStatus{live}}).Conditions(now)
	for i, want := range []time.Time{ago(time.Minute), ago(time.Hour), now} {
		if !first[i].LastTransitionTime.Equal(new(metav1.NewTime(want))) {
			t.Errorf("%s is so since %v, want %v", first[i].Type, first[i].LastTransitionTime, want)
		}
	}
}
