package config

import "net/url"

// ThroughProxy returns the proxy of every call, nil for none, or reports that the environment names it.
func (c *Config) ThroughProxy() (address *url.URL, env bool) {
	if c.Proxy == "" || c.Proxy == "env" {
		return nil, c.Proxy == "env"
	}
	address, _ = url.Parse(c.Proxy)
	return address, false
}

func (w *walker) proxy(setting string) {
	if setting == "" || setting == "env" {
		return
	}
	u, err := url.Parse(setting)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		w.fault("proxy", "proxy is not the URL of an HTTP proxy", "like http://proxy.example.nhs.uk:3128, or env for what HTTPS_PROXY says")
	case u.User != nil:
		w.fault("proxy", "proxy holds a name or a password", "say env here, and give them in HTTPS_PROXY")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		w.fault("proxy", "proxy holds more than scheme, host and port", "")
	}
}
