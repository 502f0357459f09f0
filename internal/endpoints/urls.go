package endpoints

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

// parse returns scheme and HOST:PORT of what should be http[s]://HOST[:PORT]. An error
// quotes nothing that may be a credential.
func parse(text string, ports map[string]string) (scheme, host string, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", "", errors.New("an endpoint is no URL; write http://HOST:PORT or https://HOST:PORT")
	case u.User != nil:
		return "", "", errors.New("an endpoint has a user before its host; give credentials in the options")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return "", "", fmt.Errorf("the endpoint with host %q is not of the form http://HOST:PORT or https://HOST:PORT", u.Host)
	}
	port := u.Port()
	if port == "" {
		port = ports[u.Scheme]
	}
	return u.Scheme, net.JoinHostPort(u.Hostname(), port), nil
}
