package remote

import (
	"context"
	"fmt"
	"strconv"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"
)

// dial connects and logs in, through the bastion if there is one.
func (c *Connection) dial(ctx context.Context) (*ssh.Client, error) {
	config, done, err := c.config()
	if err != nil {
		return nil, err
	}
	defer done()
	if c.Proxy == nil {
		return retry(ctx, "Dial", *c.DialErrorLimit, func() (*ssh.Client, error) {
			return ssh.Dial("tcp", c.address(), config)
		})
	}
	client, err := c.dialThroughProxy(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return client, nil
}

func (c *Connection) dialThroughProxy(ctx context.Context, config *ssh.ClientConfig) (*ssh.Client, error) {
	proxyConfig, done, err := c.Proxy.config()
	if err != nil {
		return nil, err
	}
	defer done()
	proxy, err := retry(ctx, "Dial proxy", *c.Proxy.DialErrorLimit, func() (*ssh.Client, error) {
		return ssh.Dial("tcp", c.Proxy.address(), proxyConfig)
	})
	if err != nil {
		return nil, err
	}
	client, err := retry(ctx, "Dial from proxy", *c.DialErrorLimit, func() (*ssh.Client, error) {
		conn, err := proxy.Dial("tcp", c.address())
		if err != nil {
			return nil, err
		}
		login, channels, requests, err := ssh.NewClientConn(conn, c.address(), config)
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		return ssh.NewClient(login, channels, requests), nil
	})
	if err != nil {
		_ = proxy.Close()
		return nil, err
	}
	go func() {
		_ = client.Wait()
		_ = proxy.Close()
	}()
	return client, nil
}

// How the wait between two attempts grows.
const (
	firstWait   = 100 * time.Millisecond
	waitGrowth  = 1.5
	longestWait = 5 * time.Second
)

// retry attempts until it succeeds, ctx ends, or more than limit attempts failed: limit 0 is one
// attempt, a negative limit is none.
func retry[T any](ctx context.Context, what string, limit int, attempt func() (T, error)) (T, error) {
	wait := firstWait
	for failed := 0; ; failed++ {
		result, err := attempt()
		if err == nil {
			return result, nil
		}
		if limit >= 0 && failed >= limit {
			return result, fmt.Errorf("after %d failed attempts: %w", failed, err)
		}
		of := "inf"
		if limit >= 0 {
			of = strconv.Itoa(limit)
		}
		p.GetLogger(ctx).InfoStatusf("%s %d/%s failed: retrying", what, failed+1, of)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return result, ctx.Err()
		}
		wait = min(time.Duration(float64(wait)*waitGrowth), longestWait)
	}
}
