package ctl

import (
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// The host is the one that the lock names, whatever the leader's page says.
func TestWhereTheLeaderIsAsked(t *testing.T) {
	for _, test := range []struct{ host, admin, want, wrong string }{
		{host: "10.0.0.7", admin: "[::]:8082", want: "http://10.0.0.7:8082"},
		{host: "10.0.0.7", admin: "10.0.0.9:8082", want: "http://10.0.0.7:8082"},
		{host: "fd00::7", admin: "[::]:8082", want: "http://[fd00::7]:8082"},
		{host: "fairlead-0.fairlead", admin: "0.0.0.0:8082", want: "http://fairlead-0.fairlead:8082"},
		{host: "10.0.0.7", admin: "127.0.0.1:8082", wrong: "on its own 127.0.0.1:8082 only; run this one in pod-1"},
		{host: "127.0.0.1", admin: "127.0.0.2:8082", want: "http://127.0.0.2:8082"},
	} {
		l := api.Leader{Identity: "l", Host: "pod-1", Address: test.host}
		got, err := adminBy(l, &api.Election{Role: "leader", Identity: "l", AdminAddress: test.admin}, test.host)
		if test.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		if err != nil || got.String() != test.want {
			t.Errorf("%+v: %v, %v", test, got, err)
		}
	}
}
