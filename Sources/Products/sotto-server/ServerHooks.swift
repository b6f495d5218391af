package import MailboxServer

/// What a server that is made of these commands for a test may put in between. The program itself sets nothing here.
package enum ServerHooks {
  /// Puts something around the application, given the data directory.
  @TaskLocal package static var decorate: @Sendable (any MailboxApplication, _ dataDirectory: String) -> any MailboxApplication = {
    application, _ in application
  }
}
