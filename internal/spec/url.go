package spec

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// No error about a part of a URL quotes it: where the text is not what it should
// be, any part may be one of a password.

// misplaced reports whether an @ stands elsewhere than before the hosts. Then the
// text may have a password that holds a slash or a question mark, and where the
// hosts begin cannot be told.
func misplaced(rest string) bool {
	if after, found := cutHTTP(rest); found {
		rest = after
	}
	authority := strings.TrimPrefix(rest, "//")
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		return strings.Contains(authority[end:], "@")
	}
	return false
}

// cutHTTP cuts http: or https: from the front of a text.
func cutHTTP(text string) (after string, found bool) {
	if after, found = strings.CutPrefix(text, "http:"); found {
		return after, true
	}
	return strings.CutPrefix(text, "https:")
}

// readURL reads //[USER@]HOST[:PORT][,...][/PATH] from the rest.
func (v *Value) readURL() (errs []error) {
	f, rest := v.form, v.Rest
	if f.Rest == HTTP {
		var found bool
		if rest, found = cutHTTP(v.Rest); !found {
			return []error{fmt.Errorf("http:// or https:// must follow the colon; write %s", f.Usage)}
		}
		v.Secure = strings.HasPrefix(v.Rest, "https:")
	}
	text, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return []error{fmt.Errorf("two slashes must follow the colon; write %s", f.Usage)}
	}
	authority, path := text, ""
	if slash := strings.IndexByte(text, '/'); slash >= 0 {
		authority, path = text[:slash], text[slash:]
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		errs = append(errs, v.readUser(authority[:at])...)
		authority = authority[at+1:]
	}
	hosts := strings.Split(authority, ",")
	for i, host := range hosts {
		hosts[i] = strings.ToLower(host)
		if err := checkHost(hosts[i]); err != nil {
			return append(errs, fmt.Errorf("%w; write %s", err, f.Usage))
		}
	}
	v.Hosts = hosts
	decoded, err := unescape(path)
	if err != nil || strings.ContainsFunc(decoded, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.Contains(path, "#") {
		return append(errs, errors.New("the path holds a control character, a #, or a percent sign without two hexadecimal digits; write it percent-encoded"))
	}
	v.Path = decoded
	return errs
}

func (v *Value) readUser(escaped string) []error {
	f := v.form
	user, err := unescape(escaped)
	switch {
	case err != nil || strings.ContainsAny(user, ":@"):
		return []error{f.noCredentials("a password before the host")}
	case !f.User:
		return []error{f.noCredentials("what stands before the @")}
	case user == "":
		return []error{errors.New("no user stands before the @; leave the @ out")}
	}
	v.User = user
	return nil
}

var hostSyntax = regexp.MustCompile(`^[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_.])?$`)

// checkHost accepts HOST, HOST:PORT, [ADDRESS] and [ADDRESS]:PORT.
func checkHost(text string) error {
	var host, port string
	hasPort := false
	if address, ok := strings.CutPrefix(text, "["); ok {
		var closed bool
		if host, port, closed = strings.Cut(address, "]"); !closed {
			return errors.New("an address of a host has no closing bracket")
		}
		if _, err := netip.ParseAddr(host); err != nil || !strings.Contains(host, ":") {
			return errors.New("what stands in brackets is no IPv6 address")
		}
		if port != "" {
			if port, hasPort = strings.CutPrefix(port, ":"); !hasPort {
				return errors.New("only a port may follow the address of a host")
			}
		}
	} else {
		host, port, hasPort = strings.Cut(text, ":")
		if !hostSyntax.MatchString(host) {
			return errors.New("a host is empty, or has letters that no host has")
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0) {
		return errors.New("a port is no number from 1 to 65535")
	}
	return nil
}
