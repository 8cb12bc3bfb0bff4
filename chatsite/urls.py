"""The addresses of the site: the chat, the accounts, admin.

Sign-in, sign-out and the change of a password are Django's own views; there is no sign-up: staff make accounts in
admin.
"""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

accounts = [
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("password_change/", auth.PasswordChangeView.as_view(), name="password_change"),
    path("password_change/done/", auth.PasswordChangeDoneView.as_view(), name="password_change_done"),
]

urlpatterns = [
    path("accounts/", include(accounts)),
    path("admin/", admin.site.urls),
    path("", include("agentchat.urls")),
]

handler500 = "chatsite.error_pages.failed"
