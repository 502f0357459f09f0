package spec

import (
	"strings"
	"testing"
)

// Whatever a text is, Parse returns, with an error of bounded size, and what it
// accepts it can be asked for.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"nowhere:", "path:a?b=c&name=d", "path:a?name=d?name=e", "path:?name=a?b", "room:a?doors=1&with=a,b%2C&wait=1h&area=1Gi", "data://u@h:1,[::1]/d%20?table=x", "web://h?name=a", "site:https://h:1,h/p?table=x", "a@b:c", "room:?%",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, v, err := places.Parse(text)
		if err != nil {
			if n := len(err.Error()); n > 1000*(1+strings.Count(text, "&")) {
				t.Fatalf("an error of %d bytes about a text of %d", n, len(text))
			}
		} else if i < 0 || v.Text != text || v.Scheme != places.Forms[i].Scheme || len(v.Shown()) > len(text)+3 {
			t.Fatalf("%q was understood as %+v", text, v)
		}
		if i < 0 {
			return
		}
		for _, p := range places.form(i).Params {
			get := map[Type]func(){
				Integer: func() { v.Int(p.Name) }, Bytes: func() { v.Int(p.Name) }, Bool: func() { v.Bool(p.Name) },
				Duration: func() { v.Duration(p.Name) }, List: func() { v.List(p.Name) },
			}[p.Type]
			if get == nil {
				get = func() { v.Str(p.Name) }
			}
			get()
		}
	})
}

// A password is shown by no error and is no part of what is shown of a text,
// whatever letters it has and wherever else the text is wrong.
func FuzzNoErrorShowsAPassword(f *testing.F) {
	for _, rest := range []string{"db/d?table=t", "db:x/d?tabel=t&name=", "", "db?password=y", "db/%zz#", "db/d?table=t&name=a"} {
		for _, password := range []string{"Hunter2!", "&", "?", "&b=c&", "&name=:", "?name=:&", "&tabel", "a/b", "a?b=c&d", "a@b:c", "tabel=1&table", "%zz", "#x,y"} {
			f.Add("data", "user", password, rest)
			f.Add("dta", "", password, rest)
			f.Add("room", "user", password, rest)
			f.Add("site:https", "user", password, rest)
		}
	}
	f.Fuzz(func(t *testing.T, scheme, user, password, rest string) {
		const mark = "S3kr1t" // in no message
		if strings.Contains(strings.TrimPrefix(scheme, "site:"), ":") || strings.Contains(scheme+user+rest, mark) || strings.ContainsAny(user, ":/?#") {
			return
		}
		secret := mark + password + mark
		for _, text := range []string{
			scheme + "://" + user + ":" + secret + "@" + rest,
			scheme + "://" + user + ":" + secret, // the host was forgotten
			scheme + "://" + rest + "?password=" + secret,
			scheme + "://" + rest + "&password=" + secret + "&name=x",
		} {
			if !strings.Contains(rest, "?") && strings.Contains(text, "&password") {
				continue
			}
			i, v, err := places.Parse(text)
			inValue := strings.Contains(rest, "?") && strings.Contains(text, "?password=") // of another parameter
			if err == nil && i >= 0 && places.Forms[i].Rest.isURL() && !inValue {
				t.Fatalf("%q: a password is accepted: %+v", text, v)
			}
			if err != nil && strings.Contains(err.Error(), mark) {
				t.Fatalf("%q: the error shows the password: %v", text, err)
			}
			if i >= 0 && strings.Contains(v.Shown(), mark) {
				t.Fatalf("%q: shown is %q", text, v.Shown())
			}
		}
	})
}
