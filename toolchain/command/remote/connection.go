package remote

import "github.com/pulumi/pulumi-go-provider/infer"

// Connection is how to reach a machine: an endpoint, and the bastion on the way to it, if any.
type Connection struct {
	endpoint
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

// ProxyConnection is how to reach a bastion. It has credentials and a host key of its own.
type ProxyConnection struct{ endpoint }

// endpoint is one SSH server and how to log in there.
type endpoint struct {
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional" provider:"secret"`
	Host               *string  `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	PrivateKey         *string  `pulumi:"privateKey,optional" provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
}

// Annotate describes the connection in the schema and sets its defaults.
func (c *Connection) Annotate(a infer.Annotator) {
	a.Describe(&c, "How to reach a machine over SSH.")
	c.endpoint.annotate(a)
	a.Describe(&c.Proxy, "The bastion to go through. Defaults to none.")
}

// Annotate describes the bastion in the schema and sets its defaults.
func (c *ProxyConnection) Annotate(a infer.Annotator) {
	a.Describe(&c, "How to reach a bastion over SSH.")
	c.endpoint.annotate(a)
}

func (e *endpoint) annotate(a infer.Annotator) {
	a.Describe(&e.User, "The user to log in as.")
	a.SetDefault(&e.User, "root")
	a.Describe(&e.Password, "The user's password.")
	a.Describe(&e.Host, "The host name or IP address.")
	a.Describe(&e.Port, "The TCP port.")
	a.SetDefault(&e.Port, 22)
	a.Describe(&e.PrivateKey, "A private key, as the text of its file. Tried before the password.")
	a.Describe(&e.PrivateKeyPassword, "The private key's passphrase.")
	a.Describe(&e.AgentSocketPath, "The SSH agent's socket. Defaults to SSH_AUTH_SOCK.")
	a.Describe(&e.DialErrorLimit, "How many failed attempts to connect are followed by another. -1 is no limit.")
	a.SetDefault(&e.DialErrorLimit, 10)
	a.Describe(&e.PerDialTimeout, "Seconds for one attempt to connect. 0 is no limit.")
	a.SetDefault(&e.PerDialTimeout, 15)
	a.Describe(&e.HostKey, "The host's public key, as in authorized_keys. Without it any key is accepted.")
}
