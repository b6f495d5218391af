public import CryptoSuite

/// A secret that a group hands out once, and the state that cannot derive it again: a ``Group``, or a ``PartialGroup``
/// (draft-ietf-mls-extensions, "Exported Secrets").
///
/// From a state of before it would come a second time, to whoever takes the device or to a component that begins anew
/// under it. So the only way to the secret is ``secret(storing:)``.
public struct ExportedSecret<State: Sendable>: Sendable {
  let secret: Secret
  /// The state without the secret; adopt it in every case.
  public let group: State

  /// Stores the new state and hands out the secret, in this order: a crash between the two loses the secret.
  ///
  ///     let secret = try group.safeExportSecret(for: component).secret { group = $0 }
  ///
  /// - Parameter store: takes ``group`` for the current state; where states outlive the process it also makes it durable,
  ///   in one transaction with whatever else belongs to it.
  /// - Throws: what `store` throws; the secret is not handed out, and the old state still has it.
  public func secret<Failure: Error>(storing store: (State) throws(Failure) -> Void) throws(Failure) -> Secret {
    try store(group)
    return secret
  }
}
