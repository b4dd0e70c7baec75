//! Tomcat with its own examples, as Debian packages them, on a private base folder.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;

use super::process::{Process, folder};
use super::programs;

const HOME: &str = "/usr/share/tomcat10";

/// The cookie's SameSite is what the examples' own `META-INF/context.xml` says, which a context that is spelled out here
/// replaces.
const SERVER: &str = r#"<Server port="-1">
  <Service name="Catalina">
    <Connector address="127.0.0.1" port="0"/>
    <Engine name="Catalina" defaultHost="localhost">
      <Realm className="org.apache.catalina.realm.MemoryRealm"/>
      <Host name="localhost" appBase="webapps" autoDeploy="false" deployOnStartup="false">
        <Context path="/examples" docBase="/usr/share/tomcat10-examples/examples">
          <Resources allowLinking="true"/>
          <CookieProcessor className="org.apache.tomcat.util.http.Rfc6265CookieProcessor" sameSiteCookies="strict"/>
        </Context>
        <Context path="/own" docBase="own"/>
      </Host>
    </Engine>
  </Service>
</Server>
"#;

/// What every web application gets, as in Tomcat's own `conf/web.xml`: files, pages, and what stands for a folder.
const WEB: &str = r#"<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="6.0">
  <servlet>
    <servlet-name>default</servlet-name>
    <servlet-class>org.apache.catalina.servlets.DefaultServlet</servlet-class>
    <load-on-startup>1</load-on-startup>
  </servlet>
  <servlet>
    <servlet-name>jsp</servlet-name>
    <servlet-class>org.apache.jasper.servlet.JspServlet</servlet-class>
    <load-on-startup>3</load-on-startup>
  </servlet>
  <servlet-mapping>
    <servlet-name>default</servlet-name>
    <url-pattern>/</url-pattern>
  </servlet-mapping>
  <servlet-mapping>
    <servlet-name>jsp</servlet-name>
    <url-pattern>*.jsp</url-pattern>
  </servlet-mapping>
  <welcome-file-list>
    <welcome-file>index.jsp</welcome-file>
  </welcome-file-list>
</web-app>
"#;

/// The user `tomcat`, with the role of that name.
const USERS: &str = r#"<tomcat-users>
  <role rolename="tomcat"/>
  <user username="tomcat" password="correct horse" roles="tomcat"/>
</tomcat-users>
"#;

/// Begins a session and redirects as servlets are told to.
const FIRST_JSP: &str = r#"<% session.setAttribute("begun", "yes");
   response.sendRedirect(response.encodeRedirectURL("next.jsp?a=1")); %>"#;

/// A Tomcat with its examples at `/examples`, and a page at `/own/first.jsp` that begins a session and redirects.
pub struct Tomcat {
    process: Process,
    addr: SocketAddr,
}

impl Tomcat {
    /// The one that all tests of this process share: it takes seconds to start, and each test has sessions of its own.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Tomcat>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    fn start() -> Option<Self> {
        let jars = [
            "/usr/share/tomcat10/bin/bootstrap.jar",
            "/usr/share/tomcat10/bin/tomcat-juli.jar",
        ];
        let examples = "/usr/share/tomcat10-examples/examples/WEB-INF/web.xml";
        let needed = ["java", jars[0], jars[1], examples];
        let [java, ..] = programs::all_of("tomcat10 with tomcat10-examples and a JRE", needed)?;
        let folder = folder();
        let base = folder.path();
        lay_out(base);
        let mut words: Vec<OsString> = vec![java.into()];
        words.extend(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp"].map(OsString::from));
        words.push(jars.join(":").into());
        for (name, value) in [
            ("catalina.home", Path::new(HOME)),
            ("catalina.base", base),
            ("java.io.tmpdir", &base.join("temp")),
        ] {
            let mut word = OsString::from(format!("-D{name}="));
            word.push(value);
            words.push(word);
        }
        words.extend(["org.apache.catalina.startup.Bootstrap", "start"].map(OsString::from));
        let process = Process::new(folder, words, "KILL");
        let started = process.start(|_| process.log().contains("Server startup in"));
        let log = process.log();
        assert!(started, "Tomcat does not start:\n{log}");
        let port = log
            .rsplit_once("http-nio-127.0.0.1-auto-1-")
            .and_then(|(_, rest)| rest.split('"').next()?.parse().ok());
        let port: u16 = port.unwrap_or_else(|| panic!("no port in:\n{log}"));
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        Some(Self { process, addr })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

fn lay_out(base: &Path) {
    for name in ["conf", "logs", "temp", "work", "webapps/own/WEB-INF"] {
        fs::create_dir_all(base.join(name)).expect("a folder");
    }
    for (name, text) in [
        ("conf/server.xml", SERVER),
        ("conf/web.xml", WEB),
        ("conf/tomcat-users.xml", USERS),
        ("webapps/own/first.jsp", FIRST_JSP),
    ] {
        fs::write(base.join(name), text).expect("a file");
    }
}
