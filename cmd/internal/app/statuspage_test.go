package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr/testr"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// The page is on the health address and, for browsers too, on the admin address. What the
// admin address does besides, no page has it do.
func TestStatusPageIsServed(t *testing.T) {
	p := &program{settings: parseWith(t, Options{Version: "v1"}, "--watch=pods", "--clusters=dir:/x", "--dead-letter=/dead"), log: testr.New(t), members: newMembers()}
	p.page = p.newStatusPage()
	admin := &admin{pages: p.pages(), log: p.log}
	for name, c := range map[string]struct {
		h       http.Handler
		method  string
		path    string
		headers []string
		code    int
		want    string
	}{
		"to the page":           {p.pages(), "GET", "/", nil, 302, "/status"},
		"the page":              {p.pages(), "GET", "/status", nil, 200, "<h1>Overview</h1>"},
		"a view":                {p.pages(), "GET", "/status/clusters/a%2Fb", nil, 404, "there is no cluster a/b"},
		"JSON":                  {p.pages(), "GET", "/status", []string{"Accept", "application/json"}, 200, `"version": "v1"`},
		"nothing is posted":     {p.pages(), "POST", "/status", nil, 405, ""},
		"clusters as before":    {p.pages(), "GET", "/clusters", nil, 200, `"clusters": []`},
		"by link":               {p.pages(), "GET", "/status", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200, "<h1>Overview</h1>"},
		"its script":            {p.pages(), "GET", "/status/assets/page.js", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors"}, 200, "use strict"},
		"another's page":        {p.pages(), "GET", "/status", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, "refused"},
		"another's stream":      {p.pages(), "GET", "/status", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Accept", "text/event-stream"}, 403, "refused"},
		"another's question":    {p.pages(), "GET", "/explain?cluster=a&resource=pods&name=x", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403, "refused"},
		"another's frame":       {p.pages(), "GET", "/status", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403, "refused"},
		"admin":                 {admin.handler(), "GET", "/status", nil, 200, "<h1>Overview</h1>"},
		"admin, a view":         {admin.handler(), "GET", "/status/clusters/a%2Fb", nil, 404, "there is no cluster a/b"},
		"admin, by link":        {admin.handler(), "GET", "/status", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200, "<h1>Overview</h1>"},
		"admin, its script":     {admin.handler(), "GET", "/status/assets/page.js", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors"}, 200, "use strict"},
		"admin, another's":      {admin.handler(), "GET", "/status/assets/page.js", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, "refused"},
		"admin, in a frame":     {admin.handler(), "GET", "/status", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403, "refused"},
		"admin, made-up name":   {admin.handler(), "GET", "/status", []string{"Host", "evil.example"}, 403, "made it up"},
		"admin, page that acts": {admin.handler(), "POST", "/replay?cluster=a", []string{"Sec-Fetch-Site", "same-origin"}, 403, "refused"},
		"admin, link that acts": {admin.handler(), "POST", "/replay?cluster=a", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "http://127.0.0.1"+c.path, nil)
			for i := 0; i < len(c.headers); i += 2 {
				r.Header.Set(c.headers[i], c.headers[i+1])
			}
			if host := r.Header.Get("Host"); host != "" {
				r.Host = host
			}
			w := httptest.NewRecorder()
			c.h.ServeHTTP(w, r)
			if text := w.Body.String() + w.Header().Get("Location"); w.Code != c.code || !strings.Contains(text, c.want) {
				t.Errorf("got %d, want %d with %q:\n%s", w.Code, c.code, c.want, text)
			}
		})
	}
}

func TestCredentialsAreNamedAndNotShown(t *testing.T) {
	const secret = "s3cret-of-a-member"
	p := &program{members: newMembers()}
	for want, c := range map[string]*rest.Config{
		"token":                {BearerToken: secret},
		"token in the file /t": {BearerToken: secret, BearerTokenFile: "/t"},
		"client certificate":   {TLSClientConfig: rest.TLSClientConfig{CertData: []byte(secret), KeyData: []byte(secret)}},
		"password":             {Username: secret, Password: secret},
		"plugin aws":           {ExecProvider: &clientcmdapi.ExecConfig{Command: "aws", Args: []string{secret}}},
		"provider oidc":        {AuthProvider: &clientcmdapi.AuthProviderConfig{Name: "oidc", Config: map[string]string{"id-token": secret}}},
		"none":                 {},
	} {
		p.members.Set(fleet.Member{Name: "a", Source: "file f", REST: c})
		if got := p.credentialsOf("a"); got.Kind != want || got.Source != "file f" || strings.Contains(got.Kind, secret) {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
	if got := p.credentialsOf("none"); got.Kind != "" {
		t.Errorf("got %+v of none", got)
	}
}
